// kbench's own kernels, compiled like any other when a device is opened. Those that run between samples have names that
// no kernel under test has: the clock cupti tells them apart by name.
//   nothing      an empty kernel: what a clock reads for it is the clock's floor
//   mark         another empty kernel: what tells back-to-back samples from what comes before them
//   hold         keeps a stream waiting until the host says go, or until it has waited too long
//   flush        reads a buffer larger than L2, so that every line of L2 is clean and belongs to nobody under test
//   store        writes, as much as it is told to
//   fill_bands   writes the guard bytes before and after arrays
//   check_bands  looks for guard bytes that were overwritten

extern "C" __global__ void kbench_nothing() {}

extern "C" __global__ void kbench_mark() {}

// Writes n words: for finding out what a clock adds behind a kernel that leaves writes under way.
extern "C" __global__ void kbench_store(uint4* buffer, unsigned long long n) {
    const unsigned long long i = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) buffer[i] = make_uint4(0, 0, 0, 0);
}

// One thread spins on a word of page-locked host memory. Both bounds are there so that nothing waits for ever: the
// global timer may tick coarsely on some GPUs, and every turn of the loop takes longer than a microsecond (it reads host
// memory over the link and then sleeps), so the count alone ends it too.
extern "C" __global__ void kbench_hold(volatile unsigned int* go, volatile unsigned int* gave_up, unsigned long long limit_ns,
                                unsigned int limit_turns) {
    unsigned long long begin, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
    for (unsigned int turn = 0; *go == 0; ++turn) {
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
        if (now - begin > limit_ns || turn > limit_turns) {
            *gave_up = 1;
            return;
        }
        __nanosleep(200);
    }
}

// Loads bypass L1 (which does not outlive a kernel anyway) and allocate in L2. The sum keeps the loads alive; the store
// never happens, because the buffer holds zeros: a flush must not leave dirty lines of its own behind.
extern "C" __global__ void kbench_flush(const uint4* __restrict__ buffer, unsigned long long n, unsigned int* never) {
    unsigned int sum = 0;
    const unsigned long long step = (unsigned long long)gridDim.x * blockDim.x;
#pragma unroll 4
    for (unsigned long long i = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step) {
        const uint4 word = __ldcg(buffer + i);
        sum += word.x ^ word.y ^ word.z ^ word.w;
    }
    if (sum != 0) *never = sum;
}

// A guard byte depends on its own address, so that an overrunning copy cannot carry one array's guard into another's.
// kbench/machine/cuda/memory.py computes the same for host memory.
__device__ unsigned char guard_byte(unsigned long long address) {
    return (unsigned char)((address * 0x9E3779B97F4A7C15ull) >> 56);
}

struct Band {
    unsigned char* first;
    unsigned long long nbytes;
};

extern "C" __global__ void fill_bands(const Band* bands) {
    const Band band = bands[blockIdx.x];
    for (unsigned long long i = threadIdx.x; i < band.nbytes; i += blockDim.x)
        band.first[i] = guard_byte((unsigned long long)(band.first + i));
}

// damage[2 b] and damage[2 b + 1]: the lowest and the highest index of a damaged byte of band b; left as they are (the
// largest number and zero) if all bytes are intact.
extern "C" __global__ void check_bands(const Band* bands, unsigned long long* damage) {
    const Band band = bands[blockIdx.x];
    for (unsigned long long i = threadIdx.x; i < band.nbytes; i += blockDim.x)
        if (band.first[i] != guard_byte((unsigned long long)(band.first + i))) {
            atomicMin(damage + 2 * blockIdx.x, i);
            atomicMax(damage + 2 * blockIdx.x + 1, i);
        }
}
