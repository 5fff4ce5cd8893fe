// main() of the sanitizer builds: reads a job file, runs one launch, writes the buffers back. The file, little-endian:
// grid, block, shared bytes, workers, order, strict (u32), seed (u64); buffers (u32 count; u64 size, contents each);
// arguments (u32 count; each u32 kind: 0 value (u32 size, bytes), 1 address (place), 2 table (u32 count, places));
// a place is a u32 buffer and a u64 offset.
#pragma once
#include "exports.h"

namespace kb {
struct Buffer {
    unsigned char* data;
    uint64_t size;
};
static Buffer* buffers;
static uint32_t n_buffers;

// Printed after a sanitizer's report: where the kernel was, and which buffer lies where.
KB_EXPORTED void kbench_death()
{
    fprintf(stderr, "KBENCH_WHERE [block (%u, %u, %u), thread (%u, %u, %u)]\n", blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x,
            threadIdx.y, threadIdx.z);
    for (uint32_t i = 0; i < n_buffers; ++i)
        fprintf(stderr, "KBENCH_BUFFER %u %p %llu\n", i, (void*)buffers[i].data, (unsigned long long)buffers[i].size);
}
[[noreturn]] static void bad_job(const char* why)
{
    fprintf(stderr, "KBENCH_JOB %s\n", why);
    _Exit(3);
}
static void read_bytes(FILE* f, void* to, size_t n)
{
    if (n && fread(to, 1, n, f) != n) bad_job("the job file is too short");
}
template <class T> static T read_value(FILE* f)
{
    T v;
    read_bytes(f, &v, sizeof v);
    return v;
}
static void* exact(size_t n)  // sized to the byte, so that AddressSanitizer sees one byte too many
{
    void* p = nullptr;
    if (posix_memalign(&p, 256, n ? n : 1)) bad_job("out of memory");
    return p;
}
static uint64_t read_place(FILE* f)
{
    const uint32_t buffer = read_value<uint32_t>(f);
    return (uint64_t)buffers[buffer].data + read_value<uint64_t>(f);
}
static void* read_argument(FILE* f)
{
    const uint32_t kind = read_value<uint32_t>(f);
    if (kind == 0) {
        const uint32_t n = read_value<uint32_t>(f);
        void* value = exact(n);
        read_bytes(f, value, n);
        return value;
    }
    uint64_t* address = (uint64_t*)exact(8);
    if (kind == 1) *address = read_place(f);
    else {
        const uint32_t n = read_value<uint32_t>(f);
        uint64_t* table = (uint64_t*)exact(8 * (size_t)n);
        for (uint32_t i = 0; i < n; ++i) table[i] = read_place(f);
        *address = (uint64_t)table;
    }
    return address;
}
static void** read_job(FILE* f, Launch* L)
{
    for (uint32_t& v : L->grid) v = read_value<uint32_t>(f);
    for (uint32_t& v : L->block) v = read_value<uint32_t>(f);
    for (uint32_t* v : {&L->shared_bytes, &L->workers, &L->order, &L->strict}) *v = read_value<uint32_t>(f);
    L->seed = read_value<uint64_t>(f);
    L->poison = 1;
    n_buffers = read_value<uint32_t>(f);
    buffers = (Buffer*)calloc(n_buffers + 1, sizeof(Buffer));
    for (uint32_t i = 0; i < n_buffers; ++i) {
        buffers[i].size = read_value<uint64_t>(f);
        buffers[i].data = (unsigned char*)exact(buffers[i].size);
        read_bytes(f, buffers[i].data, buffers[i].size);
    }
    const uint32_t n = read_value<uint32_t>(f);
    void** args = (void**)calloc(n + 1, sizeof(void*));
    for (uint32_t i = 0; i < n; ++i) args[i] = read_argument(f);
#if defined(KB_ASAN)
    L->workers = 1;
#endif
    L->pool = (Worker**)calloc(L->workers, sizeof(Worker*));
    for (uint32_t i = 0; i < L->workers; ++i)
        if (!(L->pool[i] = new_worker())) bad_job("out of memory");
    return args;
}
}  // namespace kb

int main(int argc, char** argv)
{
    FILE* f = argc == 3 ? fopen(argv[1], "rb") : nullptr;
    if (!f) kb::bad_job("usage: job-file result-file");
    kb::Launch L{};
    void** args = kb::read_job(f, &L);
    fclose(f);
    __sanitizer_set_death_callback(kb::kbench_death);
    const int code = kbench_launch(&L, args);
    if (code) {
        fprintf(stderr, "KBENCH_ERROR code=%d %s\n", code, L.error.message);
        return 40 + code;
    }
    f = fopen(argv[2], "wb");
    if (!f) kb::bad_job("cannot write the result file");
    for (uint32_t i = 0; i < kb::n_buffers; ++i) fwrite(kb::buffers[i].data, 1, kb::buffers[i].size, f);
    return fclose(f) ? 3 : 0;
}
