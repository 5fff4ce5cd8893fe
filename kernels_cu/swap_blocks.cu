// swap_blocks: pages between GPU and host memory, in either direction. The copies themselves (one call a page, one batched call)
// need no kernel; what is here moves pages by the GPU's own loads and stores.
//
// move_pages   16 bytes an access, LOADS of them in flight; a fixed number of blocks walks all pages chunk by chunk.
//              zero_copy: one side is page-locked host memory, read or written over the link. A few blocks are enough to fill the
//              link, so the grid is an axis: each further block takes an SM's time from whatever runs beside it.
//              staged: both sides are GPU memory, one of them a contiguous buffer that a single large copy fills or drains.
#include "memory.cuh"

// pairs: [pages, 2] source and destination page of vectors 16-byte pieces each.
template <int LOADS>
__global__ void move_pages(uint4* __restrict__ dst, const uint4* __restrict__ src, const i64* __restrict__ pairs, i64 pages,
                           i64 vectors)
{
    const i64 chunk = (i64)LOADS * blockDim.x, chunks = (vectors + chunk - 1) / chunk;
    for (i64 i = blockIdx.x; i < pages * chunks; i += gridDim.x) {
        const i64 page = i / chunks, first = i % chunks * chunk;
        move_chunk<LOADS, streaming>(dst + pairs[2 * page + 1] * vectors + first, src + pairs[2 * page] * vectors + first,
                                     min(chunk, vectors - first));
    }
}
