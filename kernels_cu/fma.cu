// fma: y = x, then K times y = a * y + b. K = 0 is a copy; every further step adds two flops to the same bytes, so K moves the
// kernel along the roofline, from the memory's side of the ridge to the arithmetic units'.
//
// naive    one element a thread: one chain of dependent multiply-adds, whose latency only other warps can hide
// vector   16 bytes a thread: four independent chains (fp16: four of half2, two multiply-adds an instruction)
//
// fmaf and __hfma2 are written out: one rounding a step on every device, whatever the compiler may contract.
#include <cuda_fp16.h>

#include "memory.cuh"

template <int K> __device__ __forceinline__ float chain(float y, float a, float b)
{
#pragma unroll
    for (int k = 0; k < K; ++k) y = fmaf(a, y, b);
    return y;
}

template <int K> __device__ __forceinline__ __half chain(__half y, __half a, __half b)
{
#pragma unroll
    for (int k = 0; k < K; ++k) y = __hfma(a, y, b);
    return y;
}

template <typename T, int K>
__global__ void fma_naive(T* __restrict__ y, const T* __restrict__ x, T a, T b, i64 n)
{
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = chain<K>(x[i], a, b);
}

// Four chains side by side, step by step: four instructions are ready whenever one waits.
template <int K> __device__ __forceinline__ void chains(uint4& v, float a, float b)
{
    float* y = reinterpret_cast<float*>(&v);
#pragma unroll
    for (int k = 0; k < K; ++k)
#pragma unroll
        for (int j = 0; j < 4; ++j) y[j] = fmaf(a, y[j], b);
}

template <int K> __device__ __forceinline__ void chains(uint4& v, __half a, __half b)
{
    __half2* y = reinterpret_cast<__half2*>(&v);
    const __half2 a2 = __half2half2(a), b2 = __half2half2(b);
#pragma unroll
    for (int k = 0; k < K; ++k)
#pragma unroll
        for (int j = 0; j < 4; ++j) y[j] = __hfma2(a2, y[j], b2);
}

template <typename T, int K>
__global__ void fma_vector(T* __restrict__ y, const T* __restrict__ x, T a, T b, i64 n)
{
    constexpr int PER = sizeof(uint4) / sizeof(T);
    const i64 vectors = n / PER, i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < vectors) {
        uint4 v = reinterpret_cast<const uint4*>(x)[i];
        chains<K>(v, a, b);
        reinterpret_cast<uint4*>(y)[i] = v;
    }
    for (i64 j = vectors * PER + i; j < n; j += (i64)gridDim.x * blockDim.x) y[j] = chain<K>(x[j], a, b);
}
