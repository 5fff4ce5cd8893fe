// copy: dst[i] = src[i] for n elements of type T.
//
// naive      one element a thread: a warp asks for 32 to 128 bytes at a time
// vector     one 8- or 16-byte vector a thread (float2, float4, uint2, uint4): 4 to 16 times fewer requests for the same bytes
// unrolled   LOADS 16-byte vectors a thread with a cache hint: all loads of a thread are in flight before its first store
// looping    the same by a grid of any size, whose blocks walk over all chunks: for asking how many blocks it takes
//
// n need be no multiple of anything: what is left behind the last whole vector is copied element by element.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "memory.cuh"

template <typename T>
__global__ void copy_naive(T* __restrict__ dst, const T* __restrict__ src, i64 n)
{
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) dst[i] = src[i];
}

// Elements from `first` on, by all threads of the grid: fewer than one vector's worth.
template <typename T>
__device__ __forceinline__ void copy_tail(T* __restrict__ dst, const T* __restrict__ src, i64 first, i64 n)
{
    for (i64 i = first + (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) dst[i] = src[i];
}

template <typename T, typename V>
__global__ void copy_vector(T* __restrict__ dst, const T* __restrict__ src, i64 n)
{
    constexpr int PER = sizeof(V) / sizeof(T);
    const i64 vectors = n / PER;
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < vectors) reinterpret_cast<V*>(dst)[i] = reinterpret_cast<const V*>(src)[i];
    copy_tail(dst, src, vectors * PER, n);
}

template <typename T, int LOADS, typename Hint>
__global__ void copy_unrolled(T* __restrict__ dst, const T* __restrict__ src, i64 n)
{
    constexpr int PER = sizeof(uint4) / sizeof(T);
    const i64 vectors = n / PER;
    const i64 first = (i64)blockIdx.x * blockDim.x * LOADS;
    move_chunk<LOADS, Hint>(reinterpret_cast<uint4*>(dst) + first, reinterpret_cast<const uint4*>(src) + first,
                            min(vectors - first, (i64)LOADS * blockDim.x));
    copy_tail(dst, src, vectors * PER, n);
}

template <typename T, int LOADS, typename Hint>
__global__ void copy_looping(T* __restrict__ dst, const T* __restrict__ src, i64 n)
{
    constexpr int PER = sizeof(uint4) / sizeof(T);
    const i64 vectors = n / PER, chunk = (i64)LOADS * blockDim.x;
    for (i64 first = blockIdx.x * chunk; first < vectors; first += gridDim.x * chunk)
        move_chunk<LOADS, Hint>(reinterpret_cast<uint4*>(dst) + first, reinterpret_cast<const uint4*>(src) + first,
                                min(vectors - first, chunk));
    copy_tail(dst, src, vectors * PER, n);
}
