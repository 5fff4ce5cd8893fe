// How bytes that are touched once go through the caches, and the loop that moves them.
//
// plain        ordinary loads and stores
// streaming    ld.cs / st.cs: evicted first in L1 and L2, so a copy does not push out what others still need
// bypass       ld.nc.L1::no_allocate with a 256-byte L2 prefetch / st.cs: nothing is kept in L1 at all
// evict_first  like bypass, with an explicit L2 policy on both sides
// move_chunk   a thread block moves one chunk, all its loads in flight before its first store
//
// Hints change speed, never results; on a host compiler each one is a plain access.
#pragma once

typedef long long i64;

struct plain {
    template <typename V> static __device__ __forceinline__ V load(const V* p) { return *p; }
    template <typename V> static __device__ __forceinline__ void store(V* p, V v) { *p = v; }
};

struct streaming {
    template <typename V> static __device__ __forceinline__ V load(const V* p) { return __ldcs(p); }
    template <typename V> static __device__ __forceinline__ void store(V* p, V v) { __stcs(p, v); }
};

struct bypass {
    static __device__ __forceinline__ uint4 load(const uint4* p)
    {
#ifdef __CUDA_ARCH__
        uint4 v;
        asm volatile("ld.global.nc.L1::no_allocate.L2::256B.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
        return v;
#else
        return *p;
#endif
    }
    static __device__ __forceinline__ void store(uint4* p, uint4 v) { __stcs(p, v); }
};

struct evict_first {
#ifdef __CUDA_ARCH__
    static __device__ __forceinline__ i64 policy()
    {
        i64 p;
        asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(p));
        return p;
    }
#endif
    static __device__ __forceinline__ uint4 load(const uint4* p)
    {
#ifdef __CUDA_ARCH__
        uint4 v;
        asm volatile("ld.global.nc.L1::no_allocate.L2::cache_hint.v4.u32 {%0, %1, %2, %3}, [%4], %5;"
                     : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p), "l"(policy()));
        return v;
#else
        return *p;
#endif
    }
    static __device__ __forceinline__ void store(uint4* p, uint4 v)
    {
#ifdef __CUDA_ARCH__
        asm volatile("st.global.L1::no_allocate.L2::cache_hint.v4.u32 [%0], {%1, %2, %3, %4}, %5;"
                     :: "l"(p), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w), "l"(policy()) : "memory");
#else
        *p = v;
#endif
    }
};

// Moves `count` vectors, at most LOADS a thread. Bandwidth is bytes in flight over the round trip, so every load of a full
// chunk is issued before its first store; the last, partial chunk takes the guarded loop.
template <int LOADS, typename Hint, typename V>
__device__ __forceinline__ void move_chunk(V* __restrict__ dst, const V* __restrict__ src, i64 count)
{
    const int threads = blockDim.x;
    if (count >= (i64)LOADS * threads) {
        V held[LOADS];
#pragma unroll
        for (int u = 0; u < LOADS; ++u) held[u] = Hint::load(src + threadIdx.x + u * threads);
#pragma unroll
        for (int u = 0; u < LOADS; ++u) Hint::store(dst + threadIdx.x + u * threads, held[u]);
    } else {
        for (int i = threadIdx.x; i < count; i += threads) Hint::store(dst + i, Hint::load(src + i));
    }
}
