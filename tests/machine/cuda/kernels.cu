// Kernels for the tests of the compiler: every way in which a parameter can look.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

struct Shape {
    int rows;
    double scale;
};

template <typename T, int VEC>
__global__ void scale(T* y, const T* __restrict__ x, float a, long long n, Shape shape, const unsigned int flags) {
    long long i = (blockIdx.x * (long long)blockDim.x + threadIdx.x) * VEC;
    for (int k = 0; k < VEC; ++k)
        if (i + k < n) y[i + k] = T(float(x[i + k]) * a + float(shape.scale) + flags);
}

extern "C" __global__ void plain(float* y, const __half* x, int n) {
    if (threadIdx.x < n) y[threadIdx.x] = __half2float(x[threadIdx.x]);
}

__global__ void __launch_bounds__(128) pointers(const long long* table, float* const* rows, void* anything) {
    __shared__ float tile[96];
    tile[threadIdx.x % 96] = rows[0][threadIdx.x];
    __syncthreads();
    *(float*)anything = tile[(threadIdx.x + 1) % 96] + table[0];
}

namespace inner {
template <typename T>
__global__ void convert(unsigned char* codes, const T* x, T value, bool flag, char letter) {
    codes[threadIdx.x] = flag ? __nv_fp8_e4m3(float(x[threadIdx.x]) + float(value)).__x : letter;
}
}  // namespace inner

__global__ void spills(float* x, int n) {
    volatile float local[64];
    for (int i = 0; i < 64; ++i) local[i] = x[i] * n;
    x[0] = local[n % 64] + local[(n * 7) % 64];
}

__global__ void nothing() {}
