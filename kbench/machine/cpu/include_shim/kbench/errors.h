// The way out of a kernel that made a mistake: note it in the launch, stop all workers, jump back to the launcher.
#pragma once
#include "state.h"

namespace kb {
[[noreturn]] KB_RUNTIME static void leave(Worker* w, int code, int signal, uint64_t address, uint64_t pc, const char* message)
{
    Batch* batch = w->batch;
    pthread_mutex_lock(&batch->mutex);
    Error& e = w->launch->error;
    if (e.code == OK) {  // the first one tells
        e.code = code;
        e.signal = signal;
        e.address = address;
        e.pc = pc;
        memcpy(e.block, &context.block, sizeof e.block);
        memcpy(e.thread, &context.thread, sizeof e.thread);
        snprintf(e.message, sizeof e.message, "%s", message);
    }
    pthread_mutex_unlock(&batch->mutex);
    __atomic_store_n(&batch->stop, 1, __ATOMIC_RELAXED);
#if defined(KB_ASAN) || defined(KB_TSAN)
    fprintf(stderr, "KBENCH_ERROR code=%d %s [block (%u, %u, %u), thread (%u, %u, %u)]\n", code, message, blockIdx.x,
            blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z);
    _Exit(40 + code);
#else
    siglongjmp(w->escape, 1);
#endif
}
KB_COLD __attribute__((unused)) static void fail_assert(const char* expression, const char* file, int line)
{
    char b[512];
    const char* name = strrchr(file, '/');
    snprintf(b, sizeof b, "assertion failed: %s at %s:%d", expression, name ? name + 1 : file, line);
    leave(worker(), E_ASSERT, 0, 0, 0, b);
}
}  // namespace kb
