// transpose: out[c, r] = in[r, c] of a row-major matrix, and [a, b, dim] -> [b, a, dim] with rows of dim elements kept whole.
//
// Matrix:
// naive    one element a thread: reads along a row, writes down a column, each lane into a sector of its own
// tiled    32 x 32 tiles turned in shared memory, so both sides are contiguous; reading a tile's column hits one bank 32 times
// padded   the same with a padding column: element (r, c) moves to bank r + c, no conflicts
// vector   TILE x TILE tiles with 16-byte loads and stores on both sides, chunks swizzled instead of padded; all loads of a
//          thread before its first store; tiles walked in groups of rows, so that the blocks that run at one time write
//          neighbouring pieces of a row too. Where a row length is no multiple of 16 bytes that side goes element by element.
//
// Heads and tokens ([heads, tokens, dim] <-> [tokens, heads, dim]):
// heads_naive    one element a thread, three 64-bit divisions each
// heads_vector   16 bytes a thread and step, LOADS of them in flight
#include <cuda_fp16.h>

#include "memory.cuh"
#include "turn.cuh"

template <typename T>
__global__ void transpose_naive(T* __restrict__ out, const T* __restrict__ in, int rows, int cols)
{
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= (i64)rows * cols) return;
    const i64 r = i / cols, c = i % cols;
    out[c * rows + r] = in[i];
}

template <typename T, int PAD>
__global__ void transpose_tiled(T* __restrict__ out, const T* __restrict__ in, int rows, int cols)
{
    __shared__ T tile[32][32 + PAD];
    const int tiles = (cols + 31) / 32;
    const int r0 = blockIdx.x / tiles * 32, c0 = blockIdx.x % tiles * 32;
    for (int i = threadIdx.x; i < 32 * 32; i += blockDim.x) {
        const int r = i / 32, c = i % 32;
        if (r0 + r < rows && c0 + c < cols) tile[r][c] = in[(i64)(r0 + r) * cols + c0 + c];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < 32 * 32; i += blockDim.x) {
        const int r = i % 32, c = i / 32;
        if (r0 + r < rows && c0 + c < cols) out[(i64)(c0 + c) * rows + r0 + r] = tile[r][c];
    }
}

// The tile of this block: GROUP rows of tiles are walked column by column.
template <int GROUP>
__device__ __forceinline__ int2 tile_of(int block, int tile_rows, int tile_cols)
{
    const int group = block / (GROUP * tile_cols), within = block % (GROUP * tile_cols);
    const int height = min(GROUP, tile_rows - group * GROUP);
    return make_int2(group * GROUP + within % height, within / height);
}

template <typename T, int TILE, int THREADS, int GROUP, typename Hint>
__global__ void __launch_bounds__(THREADS) transpose_vector(T* __restrict__ out, const T* __restrict__ in, int rows, int cols)
{
    constexpr int PER = sizeof(uint4) / sizeof(T);   // elements of a 16-byte chunk
    constexpr int WIDE = sizeof(unsigned) / sizeof(T);  // elements of a shared-memory word
    constexpr int CHUNKS = TILE / PER;
    constexpr int STEP = THREADS / CHUNKS;           // rows of the tile that the block loads at a time
    constexpr int EACH = (TILE + STEP - 1) / STEP;
    static_assert(CHUNKS % 8 == 0, "a tile row is a multiple of 128 bytes");
    static_assert(THREADS % CHUNKS == 0, "the block loads whole rows");
    __shared__ uint4 tile[TILE][CHUNKS];

    const int2 t = tile_of<GROUP>(blockIdx.x, (rows + TILE - 1) / TILE, (cols + TILE - 1) / TILE);
    const int r0 = t.x * TILE, c0 = t.y * TILE;

    if (cols % PER == 0) {
        const int q = threadIdx.x % CHUNKS, row = threadIdx.x / CHUNKS;
        const int height = c0 + q * PER < cols ? min(TILE, rows - r0) : 0;
        const uint4* from = reinterpret_cast<const uint4*>(in + (i64)(r0 + row) * cols + c0) + q;
        const i64 pitch = (i64)STEP * cols / PER;
        uint4 held[EACH];
#pragma unroll
        for (int u = 0; u < EACH; ++u)
            if (row + u * STEP < height) held[u] = Hint::load(from + u * pitch);
#pragma unroll
        for (int u = 0; u < EACH; ++u)
            if (row + u * STEP < height) tile[row + u * STEP][swizzle(q, (row + u * STEP) / PER)] = held[u];
    } else {
        for (int i = threadIdx.x; i < TILE * TILE; i += THREADS) {
            const int r = i / TILE, c = i % TILE;
            if (r0 + r < rows && c0 + c < cols)
                reinterpret_cast<T*>(&tile[r][swizzle(c / PER, r / PER)])[c % PER] = in[(i64)(r0 + r) * cols + c0 + c];
        }
    }
    __syncthreads();

    if (rows % PER == 0) {
        // Eight lanes side by side take eight groups of rows (128 contiguous bytes of an output row), four such sets take four
        // neighbouring words of the tile's rows: 32 banks, and whole 128-byte lines of the output.
        constexpr int WORDS = TILE / WIDE;
        for (int i = threadIdx.x; i < CHUNKS * WORDS; i += THREADS) {
            const int lane = i % 32, rest = i / 32;
            const int group = lane % 8 + rest % (CHUNKS / 8) * 8, w = lane / 8 + rest / (CHUNKS / 8) * 4;
            const int r = group * PER, c = w * WIDE;
            if (r0 + r >= rows || c0 + c >= cols) continue;
            unsigned word[PER];
#pragma unroll
            for (int k = 0; k < PER; ++k)
                word[k] = reinterpret_cast<const unsigned*>(&tile[r + k][swizzle(c / PER, group)])[c % PER / WIDE];
            uint4 turned[WIDE];
            turn(word, turned);
#pragma unroll
            for (int j = 0; j < WIDE; ++j)
                if (c0 + c + j < cols)
                    Hint::store(reinterpret_cast<uint4*>(out + (i64)(c0 + c + j) * rows + r0) + group, turned[j]);
        }
    } else {
        for (int i = threadIdx.x; i < TILE * TILE; i += THREADS) {
            const int r = i % TILE, c = i / TILE;
            if (r0 + r < rows && c0 + c < cols)
                out[(i64)(c0 + c) * rows + r0 + r] = reinterpret_cast<const T*>(&tile[r][swizzle(c / PER, r / PER)])[c % PER];
        }
    }
}

template <typename T>
__global__ void transpose_heads_naive(T* __restrict__ out, const T* __restrict__ in, int a, int b, int dim)
{
    const i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= (i64)a * b * dim) return;
    const i64 row = i / dim, d = i % dim;
    out[(row % b * a + row / b) * dim + d] = in[i];
}

// Walks the output in order: each row of dim elements is contiguous on both sides, only its place changes. A vector's index fits
// 32 bits up to 64 GiB, and 32-bit divisions are several times cheaper than 64-bit ones.
template <typename T, int LOADS, typename Hint>
__global__ void transpose_heads_vector(T* __restrict__ out, const T* __restrict__ in, int a, int b, int dim)
{
    const unsigned width = (unsigned)dim * sizeof(T) / sizeof(uint4), total = width * (unsigned)a * (unsigned)b;
    const uint4* src = reinterpret_cast<const uint4*>(in);
    uint4* dst = reinterpret_cast<uint4*>(out);
    const unsigned first = blockIdx.x * blockDim.x * LOADS + threadIdx.x;
    uint4 held[LOADS];
#pragma unroll
    for (int u = 0; u < LOADS; ++u) {
        const unsigned i = first + u * blockDim.x, row = i / width;
        if (i < total) held[u] = Hint::load(src + ((i64)(row % a) * b + row / a) * width + i % width);
    }
#pragma unroll
    for (int u = 0; u < LOADS; ++u) {
        const unsigned i = first + u * blockDim.x;
        if (i < total) Hint::store(dst + i, held[u]);
    }
}
