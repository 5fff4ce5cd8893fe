// Kernels of known work, for holding one clock against another.
//   canned_copy  one uint4 a thread
//   canned_spin  one thread that lasts as long as it is told to, by the GPU's own timer

extern "C" __global__ void canned_copy(uint4* y, const uint4* x, long long n) {
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i];
}

extern "C" __global__ void canned_spin(unsigned long long ns, int* done) {
    unsigned long long begin, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
    do asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    while (now - begin < ns);
    *done = 1;
}
