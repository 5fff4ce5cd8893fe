// Kernels for the tests of the cuda device.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

template <typename T>
__global__ void scale(T* y, const T* x, float a, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = T(float(x[i]) * a);
}

__global__ void increment(int* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] += 1;
}

// Writes `extra` floats past the end (or, if negative, before the start) as well.
__global__ void overrun(float* y, int n, int extra) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = 1.0f;
    if (i == 0)
        for (int k = 0; k < (extra < 0 ? -extra : extra); ++k) y[extra < 0 ? -1 - k : n + k] = 2.0f;
}

__global__ void wild(float* y) { y[(1ll << 40) + threadIdx.x] = 1.0f; }

// y[i] = sum over rows of the table; each row is an array of its own.
__global__ void gather(float* y, const float* const* rows, int count, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float sum = 0;
    for (int k = 0; k < count; ++k) sum += rows[k][i];
    y[i] = sum;
}

__global__ void spin(unsigned long long ns, int* done) {
    unsigned long long begin, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
    do asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    while (now - begin < ns);
    *done += 1;
}

// Fills x with `value` after a while, so that whoever does not wait sees what was there before.
__global__ void late_fill(float* x, float value, int n, unsigned long long ns) {
    unsigned long long begin, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
    do asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    while (now - begin < ns);
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = value;
}

__global__ void copy16(uint4* y, const uint4* x, long long n) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i];
}

// Reverses the x values of a block through dynamic shared memory; the last word proves that all of it is there.
__global__ void reverse(int* y, const int* x, int words) {
    extern __shared__ int tile[];
    for (int i = threadIdx.x; i < words; i += blockDim.x) tile[i] = x[i];
    __syncthreads();
    for (int i = threadIdx.x; i < words; i += blockDim.x) y[i] = tile[words - 1 - i];
}

// The rank of each block in its cluster.
__global__ void ranks(unsigned int* y) {
#if __CUDA_ARCH__ >= 900
    unsigned int rank;
    asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    y[blockIdx.x] = rank;
#endif
}

struct Affine {
    float slope;
    double offset;
};

__global__ void affine(float* y, Affine how, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = how.slope * i + float(how.offset);
}
