// copy_blocks: pages of the KV cache copied over other pages, in every layer, keys and values.
//
// key_ptrs, value_ptrs   [layers] addresses of the caches, each [pages, page] elements of T
// pairs                  [P, 2] source and destination page; sources and destinations are disjoint sets
// page                   elements of one page: page_size * heads * dim
//
// naive   a thread block for each (layer, pair), one element an access: 2-byte loads of a 4.8 TB/s memory
// uint4   the same blocks, 16 bytes an access
// split   a thread block for each (layer, keys or values, pair, chunk of a page): even one pair gives hundreds of blocks, so
//         it fills the GPU; a chunk is LOADS * threads * 16 bytes, all of it in flight before the first store
// bulk    the same chunks by the copy engine of the SM: one thread asks for a chunk with cp.async.bulk into shared memory and
//         hands it on from there, no registers, no address arithmetic (sm_90 and later; else it moves chunks like split)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include "memory.cuh"

template <typename T>
__global__ void copy_blocks_naive(const i64* __restrict__ key_ptrs, const i64* __restrict__ value_ptrs,
                                  const i64* __restrict__ pairs, i64 page)
{
    T* keys = reinterpret_cast<T*>(key_ptrs[blockIdx.x]);
    T* values = reinterpret_cast<T*>(value_ptrs[blockIdx.x]);
    const i64 src = pairs[2 * blockIdx.y] * page, dst = pairs[2 * blockIdx.y + 1] * page;
    for (i64 i = threadIdx.x; i < page; i += blockDim.x) keys[dst + i] = keys[src + i];
    for (i64 i = threadIdx.x; i < page; i += blockDim.x) values[dst + i] = values[src + i];
}

template <typename T>
__global__ void copy_blocks_uint4(const i64* __restrict__ key_ptrs, const i64* __restrict__ value_ptrs,
                                  const i64* __restrict__ pairs, i64 page)
{
    const i64 vectors = page * sizeof(T) / sizeof(uint4);
    uint4* keys = reinterpret_cast<uint4*>(key_ptrs[blockIdx.x]);
    uint4* values = reinterpret_cast<uint4*>(value_ptrs[blockIdx.x]);
    const i64 src = pairs[2 * blockIdx.y] * vectors, dst = pairs[2 * blockIdx.y + 1] * vectors;
    for (i64 i = threadIdx.x; i < vectors; i += blockDim.x) keys[dst + i] = keys[src + i];
    for (i64 i = threadIdx.x; i < vectors; i += blockDim.x) values[dst + i] = values[src + i];
}

// blockIdx = (chunk, pair, 2 * layer + is_value): neighbouring blocks read neighbouring chunks, so the blocks that run at one
// time cover a compact window of memory. Both tables and the pair are read at once: one round trip before the data's own.
struct Chunk {
    uint4* dst;
    const uint4* src;
    i64 count;
};

__device__ __forceinline__ Chunk chunk_of(const i64* key_ptrs, const i64* value_ptrs, const i64* pairs, i64 page_vectors,
                                          i64 chunk)
{
    const i64* table = blockIdx.z & 1 ? value_ptrs : key_ptrs;
    uint4* cache = reinterpret_cast<uint4*>(table[blockIdx.z >> 1]);
    const i64 first = blockIdx.x * chunk;
    Chunk c;
    c.src = cache + pairs[2 * blockIdx.y] * page_vectors + first;
    c.dst = cache + pairs[2 * blockIdx.y + 1] * page_vectors + first;
    c.count = min(chunk, page_vectors - first);
    return c;
}

template <typename T, int LOADS, typename Hint>
__global__ void copy_blocks_split(const i64* __restrict__ key_ptrs, const i64* __restrict__ value_ptrs,
                                  const i64* __restrict__ pairs, i64 page)
{
    const Chunk c = chunk_of(key_ptrs, value_ptrs, pairs, page * sizeof(T) / sizeof(uint4), (i64)LOADS * blockDim.x);
    move_chunk<LOADS, Hint>(c.dst, c.src, c.count);
}

// CHUNK bytes of shared memory a block; the blocks of an SM together keep up to all of its shared memory in flight.
template <typename T, int CHUNK>
__global__ void copy_blocks_bulk(const i64* __restrict__ key_ptrs, const i64* __restrict__ value_ptrs,
                                 const i64* __restrict__ pairs, i64 page)
{
    const Chunk c = chunk_of(key_ptrs, value_ptrs, pairs, page * sizeof(T) / sizeof(uint4), CHUNK / sizeof(uint4));
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    __shared__ __align__(128) uint4 held[CHUNK / sizeof(uint4)];
    __shared__ __align__(8) i64 barrier;
    const unsigned data = (unsigned)__cvta_generic_to_shared(held), arrival = (unsigned)__cvta_generic_to_shared(&barrier);
    const unsigned bytes = (unsigned)(c.count * sizeof(uint4));
    if (threadIdx.x == 0) {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" :: "r"(arrival) : "memory");
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(arrival), "r"(bytes) : "memory");
        asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
                     :: "r"(data), "l"(c.src), "r"(bytes), "r"(arrival) : "memory");
        asm volatile("{\n\t.reg .pred done;\n\t"
                     "wait: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], 0;\n\t"
                     "@!done bra wait;\n\t}" :: "r"(arrival) : "memory");
        asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;"
                     :: "l"(c.dst), "r"(data), "r"(bytes) : "memory");
        asm volatile("cp.async.bulk.commit_group;" ::: "memory");
        asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");  // the block may end once its memory is read
    }
#else
    for (int i = threadIdx.x; i < c.count; i += blockDim.x) c.dst[i] = c.src[i];
#endif
}
