// reshape_and_cache: new keys and values of T tokens written into the pages of a KV cache.
//
// key, value    [tokens, heads, dim]
// key_cache     [pages, heads, dim / x, page_size, x] with x = 16 bytes of elements: 8 of two bytes, 4 of four
// value_cache   [pages, heads, dim, page_size]
// slots         [tokens]: page * page_size + position, or negative: this token is not stored
//
// dim is a multiple of x, so with n = heads * dim a page is [n / x, page_size, x] keys and [n, page_size] values: no kernel here
// needs to know where one head ends, and none has a limit on heads.
//
// naive    a thread block a token, one element an access
// vector   keys 16 bytes an access; values one element an access still, neighbouring lanes in neighbouring sectors
// shared   a thread block for PAGE tokens x SPAN elements. Where those tokens fill a page in order, values are turned in shared
//          memory and leave as whole 16-byte rows; all other tokens are scattered
// gather   first every token signs for its slot, then the first token of each page gathers all tokens of that page and writes it
//          as a whole: whatever the order of the slots, a 32-byte sector of values is written once and not once a token
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "memory.cuh"
#include "turn.cuh"

template <typename T>
__global__ void reshape_and_cache_naive(T* __restrict__ key_cache, T* __restrict__ value_cache, const T* __restrict__ key,
                                        const T* __restrict__ value, const i64* __restrict__ slots, i64 n, int page_size)
{
    constexpr int X = 16 / sizeof(T);
    const i64 slot = slots[blockIdx.x], page = slot / page_size, position = slot % page_size;
    if (slot < 0) return;
    for (i64 i = threadIdx.x; i < n; i += blockDim.x) {
        key_cache[((page * n + i) / X * page_size + position) * X + i % X] = key[blockIdx.x * n + i];
        value_cache[(page * n + i) * page_size + position] = value[blockIdx.x * n + i];
    }
}

template <typename T>
__global__ void reshape_and_cache_vector(T* __restrict__ key_cache, T* __restrict__ value_cache, const T* __restrict__ key,
                                         const T* __restrict__ value, const i64* __restrict__ slots, i64 n, int page_size)
{
    constexpr int X = 16 / sizeof(T);
    const i64 slot = slots[blockIdx.x], page = slot / page_size, position = slot % page_size;
    if (slot < 0) return;
    const uint4* from = reinterpret_cast<const uint4*>(key + blockIdx.x * n);
    uint4* to = reinterpret_cast<uint4*>(key_cache) + page * (n / X) * page_size + position;
    for (i64 c = threadIdx.x; c < n / X; c += blockDim.x) to[c * page_size] = from[c];
    for (i64 i = threadIdx.x; i < n; i += blockDim.x)
        value_cache[(page * n + i) * page_size + position] = __ldcs(value + blockIdx.x * n + i);
}

// One slice of the caches' width: elements [first, first + width) of every token, SPAN of them but for the last slice.
template <typename T, int PAGE, int SPAN> struct Slice {
    static constexpr int X = 16 / sizeof(T);        // elements of a 16-byte vector
    static constexpr int WIDE = 4 / sizeof(T);      // elements of a word
    static constexpr int CHUNKS = SPAN / X;         // vectors of a token
    static constexpr int GROUPS = PAGE / X;         // vectors of a value row
    static constexpr int PLACE = GROUPS < 8 ? 8 / GROUPS : 1;  // a warp reads 8 / GROUPS chunks of each group at a time
    static_assert(PAGE % X == 0 && CHUNKS % 8 == 0, "a value row is whole vectors, a tile row a multiple of 128 bytes");
    uint4 (&tile)[PAGE][CHUNKS];
    T* key_cache;    // of this page, from `first` on
    T* value_cache;
    int width;

    // Four tokens x eight vectors a warp: 128 bytes of each token read, 64 of each key row written, no sector in part.
    static __device__ __forceinline__ int token(int i) { return i % 4 + i / (4 * CHUNKS) * 4; }
    static __device__ __forceinline__ int chunk(int i) { return i / 4 % CHUNKS; }

    __device__ __forceinline__ void put_key(int t, int c, uint4 v) const
    {
        reinterpret_cast<uint4*>(key_cache)[c * PAGE + t] = v;
    }

    __device__ __forceinline__ void put_value(int t, int c, uint4 v) const { tile[t][swizzle(c, t / X * PLACE)] = v; }

    // Values of tokens [group * X, (group + 1) * X) for the WIDE rows from `row` on, as vectors of the cache.
    __device__ __forceinline__ void take(int group, int row, uint4 (&out)[WIDE]) const
    {
        unsigned word[X];
#pragma unroll
        for (int k = 0; k < X; ++k)
            word[k] = reinterpret_cast<const unsigned*>(&tile[group * X + k][swizzle(row / X, group * PLACE)])[row % X / WIDE];
        turn(word, out);
    }

    __device__ __forceinline__ uint4* value_row(int group, int row) const
    {
        return reinterpret_cast<uint4*>(value_cache + (i64)row * PAGE) + group;
    }
};

// PAGE tokens in a row, first vector at key and value, become a slice of one page. Values go through the tile: rows of tokens in,
// rows of positions out. All loads of a thread are in flight before its first store.
template <typename T, int PAGE, int THREADS, int SPAN>
__device__ __forceinline__ void write_page(const Slice<T, PAGE, SPAN>& slice, const T* __restrict__ key,
                                           const T* __restrict__ value, i64 n)
{
    using S = Slice<T, PAGE, SPAN>;
    constexpr int EACH = (PAGE * S::CHUNKS + THREADS - 1) / THREADS;
    uint4 k[EACH], v[EACH];
#pragma unroll
    for (int u = 0; u < EACH; ++u) {
        const int i = u * THREADS + threadIdx.x, t = S::token(i), c = S::chunk(i);
        if (i < PAGE * S::CHUNKS && c * S::X < slice.width) {
            v[u] = __ldcs(reinterpret_cast<const uint4*>(value + t * n) + c);
            k[u] = __ldcs(reinterpret_cast<const uint4*>(key + t * n) + c);
        }
    }
#pragma unroll
    for (int u = 0; u < EACH; ++u) {
        const int i = u * THREADS + threadIdx.x, t = S::token(i), c = S::chunk(i);
        if (i < PAGE * S::CHUNKS && c * S::X < slice.width) {
            slice.put_value(t, c, v[u]);
            slice.put_key(t, c, k[u]);
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < S::GROUPS * slice.width / S::WIDE; i += THREADS) {
        const int group = i % S::GROUPS, row = i / S::GROUPS * S::WIDE;
        uint4 out[S::WIDE];
        slice.take(group, row, out);
#pragma unroll
        for (int j = 0; j < S::WIDE; ++j) *slice.value_row(group, row + j) = out[j];
    }
}

template <typename T, int PAGE, int THREADS, int SPAN>
__global__ void __launch_bounds__(THREADS)
reshape_and_cache_shared(T* __restrict__ key_cache, T* __restrict__ value_cache, const T* __restrict__ key,
                         const T* __restrict__ value, const i64* __restrict__ slots, i64 n, int tokens)
{
    using S = Slice<T, PAGE, SPAN>;
    constexpr int X = S::X, CHUNKS = S::CHUNKS;
    __shared__ uint4 tile[PAGE][CHUNKS];
    __shared__ i64 window[3 * PAGE];
    __shared__ int earlier, here;  // where a run that fills a page begins: before this block's tokens, or among them
    const int slices = (int)((n + SPAN - 1) / SPAN);
    const int base = blockIdx.x / slices * PAGE, first = blockIdx.x % slices * SPAN;
    const int width = (int)min((i64)SPAN, n - first);

    // A run may begin at any token, so this block looks at its PAGE tokens and at PAGE - 1 on either side. Two runs are at least
    // PAGE apart: at most one begins here, and at most one that began earlier reaches in.
    for (int i = threadIdx.x; i < 3 * PAGE - 2; i += THREADS) {
        const int t = base - (PAGE - 1) + i;
        window[i] = t >= 0 && t < tokens ? slots[t] : -1;
    }
    if (threadIdx.x == 0) { earlier = -PAGE; here = PAGE; }
    __syncthreads();
    for (int i = threadIdx.x; i < 2 * PAGE - 1; i += THREADS) {
        const i64 slot = window[i];
        bool run = slot >= 0 && slot % PAGE == 0;
        for (int k = 1; k < PAGE && run; ++k) run = window[i + k] == slot + k;
        if (run) (i < PAGE - 1 ? earlier : here) = i - (PAGE - 1);
    }
    __syncthreads();

    // Scattered: between the end of the earlier run and the beginning of this one.
    const int from = max(0, earlier + PAGE), to = here;  // tokens behind the last have no slot
    for (int i = from * CHUNKS + threadIdx.x; i < to * CHUNKS; i += THREADS) {
        const int t = i / CHUNKS, c = i % CHUNKS;
        const i64 slot = window[PAGE - 1 + t], row = (slot / PAGE * n + first) / X + c;
        const uint4* from_key = reinterpret_cast<const uint4*>(key + (base + t) * n + first);
        if (slot >= 0 && c * X < width) reinterpret_cast<uint4*>(key_cache)[row * PAGE + slot % PAGE] = __ldcs(from_key + c);
    }
    for (int i = from * SPAN + threadIdx.x; i < to * SPAN; i += THREADS) {
        const int t = i / SPAN, d = i % SPAN;
        const i64 slot = window[PAGE - 1 + t];
        if (slot >= 0 && d < width)
            value_cache[(slot / PAGE * n + first + d) * PAGE + slot % PAGE] = __ldcs(value + (base + t) * n + first + d);
    }

    if (here < PAGE) {  // the same for the whole block
        const i64 at = (window[PAGE - 1 + here] / PAGE * n + first) * PAGE, token = (base + here) * n + first;
        const S slice{tile, key_cache + at, value_cache + at, width};
        write_page<T, PAGE, THREADS, SPAN>(slice, key + token, value + token, n);
    }
}

// Which token goes to a slot. Slots that nobody signed for hold anything: a signature counts if that token's slot says the same.
__global__ void sign_slots(int* __restrict__ signatures, const i64* __restrict__ slots, int tokens)
{
    const i64 t = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (t < tokens && slots[t] >= 0) signatures[slots[t]] = (int)t;
}

// `fresh` where its element's bit is set in `filled`, else `old`.
template <int X> __device__ __forceinline__ uint4 merge(uint4 fresh, uint4 old, unsigned filled)
{
    unsigned a[4] = {fresh.x, fresh.y, fresh.z, fresh.w}, b[4] = {old.x, old.y, old.z, old.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const unsigned bits = X == 4 ? filled >> i : filled >> 2 * i;
        const unsigned low = bits & 1 ? 0xffffu : 0, high = (X == 4 ? bits & 1 : bits & 2) ? 0xffff0000u : 0;
        a[i] = (a[i] & (low | high)) | (b[i] & ~(low | high));
    }
    return make_uint4(a[0], a[1], a[2], a[3]);
}

// Slice after slice of one page; token_at says which token goes to each position, -1 where none does.
template <typename T, int PAGE, int THREADS, int SPAN>
__device__ __forceinline__ void gather_slice(const Slice<T, PAGE, SPAN>& slice, const T* __restrict__ key,
                                             const T* __restrict__ value, const int* token_at, unsigned long long filled, i64 n)
{
    using S = Slice<T, PAGE, SPAN>;
    constexpr int EACH = (PAGE * S::CHUNKS + THREADS - 1) / THREADS;
    constexpr int TURNS = (S::GROUPS * (SPAN / S::WIDE) + THREADS - 1) / THREADS;
    constexpr unsigned FULL = (1u << S::X) - 1;
    uint4 k[EACH], v[EACH], old[TURNS][S::WIDE];
#pragma unroll
    for (int u = 0; u < EACH; ++u) {
        const int i = u * THREADS + threadIdx.x, t = S::token(i), c = S::chunk(i);
        if (i < PAGE * S::CHUNKS && c * S::X < slice.width && filled >> t & 1) {
            v[u] = __ldcs(reinterpret_cast<const uint4*>(value + token_at[t] * n) + c);
            k[u] = __ldcs(reinterpret_cast<const uint4*>(key + token_at[t] * n) + c);
        }
    }
    // What the page holds beside the new tokens; a vector that is replaced or left alone as a whole needs none of it.
#pragma unroll
    for (int u = 0; u < TURNS; ++u) {
        const int i = u * THREADS + threadIdx.x, group = i % S::GROUPS, row = i / S::GROUPS * S::WIDE;
        const unsigned mask = (unsigned)(filled >> group * S::X) & FULL;
#pragma unroll
        for (int j = 0; j < S::WIDE; ++j) {
            old[u][j] = make_uint4(0, 0, 0, 0);
            if (row < slice.width && mask != 0 && mask != FULL) old[u][j] = *slice.value_row(group, row + j);
        }
    }
#pragma unroll
    for (int u = 0; u < EACH; ++u) {
        const int i = u * THREADS + threadIdx.x, t = S::token(i), c = S::chunk(i);
        if (i < PAGE * S::CHUNKS && c * S::X < slice.width && filled >> t & 1) {
            slice.put_value(t, c, v[u]);
            slice.put_key(t, c, k[u]);
        }
    }
    __syncthreads();
#pragma unroll
    for (int u = 0; u < TURNS; ++u) {
        const int i = u * THREADS + threadIdx.x, group = i % S::GROUPS, row = i / S::GROUPS * S::WIDE;
        const unsigned mask = (unsigned)(filled >> group * S::X) & FULL;
        if (row < slice.width && mask != 0) {
            uint4 out[S::WIDE];
            slice.take(group, row, out);
#pragma unroll
            for (int j = 0; j < S::WIDE; ++j) *slice.value_row(group, row + j) = merge<S::X>(out[j], old[u][j], mask);
        }
    }
    __syncthreads();  // before the next slice overwrites the tile
}

// A block a token. The token in the lowest filled position of a page leads: its block writes the page, the others are done.
template <typename T, int PAGE, int THREADS, int SPAN>
__global__ void __launch_bounds__(THREADS)
reshape_and_cache_gather(T* __restrict__ key_cache, T* __restrict__ value_cache, const T* __restrict__ key,
                         const T* __restrict__ value, const i64* __restrict__ slots, const int* __restrict__ signatures, i64 n,
                         int tokens)
{
    using S = Slice<T, PAGE, SPAN>;
    __shared__ uint4 tile[PAGE][S::CHUNKS];
    __shared__ int token_at[PAGE];
    const i64 slot = slots[blockIdx.x], page = slot / PAGE;
    for (int p = threadIdx.x; p < PAGE; p += THREADS) {
        const int t = slot < 0 ? -1 : signatures[page * PAGE + p];
        token_at[p] = t >= 0 && t < tokens && slots[t] == page * PAGE + p ? t : -1;
    }
    __syncthreads();
    unsigned long long filled = 0;
    int leader = -1;
    for (int p = PAGE - 1; p >= 0; --p)
        if (token_at[p] >= 0) { leader = token_at[p]; filled |= 1ull << p; }
    if (leader == (int)blockIdx.x) {  // the same for the whole block
        for (i64 first = 0; first < n; first += SPAN) {
            const i64 at = (page * n + first) * PAGE;
            const S slice{tile, key_cache + at, value_cache + at, (int)min((i64)SPAN, n - first)};
            gather_slice<T, PAGE, THREADS, SPAN>(slice, key + first, value + first, token_at, filled, n);
        }
    }
}
