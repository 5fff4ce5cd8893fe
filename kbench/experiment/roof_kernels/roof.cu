// What the memory system and the arithmetic units of a GPU can do at best: the denominators of every other figure.
//
//   roof_read   sums of blocks                 read : written = 1 : 0
//   roof_write  a pattern                                       0 : 1
//   roof_copy   y = x                                           1 : 1
//   roof_2to1   y = a ^ b                                       2 : 1
//   roof_1to2   y = z = x                                       1 : 2
//   l2_read     sums of blocks, over and over in one launch, past L1
//   l2_copy     y = x, the same way
//   fma_peak    x -> c - x, an odd number of times, eight independent chains a thread
//
// All memory kernels: 16 bytes per access, UNROLL independent accesses a thread before the first store, so that a block
// covers blockDim.x * UNROLL elements and neighbouring threads touch neighbouring addresses.

#include <cuda_fp16.h>

template <int UNROLL>
__device__ long long first_element() {
    return (long long)blockIdx.x * blockDim.x * UNROLL + threadIdx.x;
}

// One word a block: enough to keep the loads alive, and nothing beside what was read.
__device__ void keep_block_sum(unsigned* sums, unsigned sum) {
    for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_down_sync(0xffffffffu, sum, lanes);
    __shared__ unsigned warps[32];
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        unsigned total = 0;
        for (unsigned w = 0; w < blockDim.x / 32; ++w) total += warps[w];
        sums[blockIdx.x] = total;
    }
}

template <int UNROLL>
__global__ void roof_read(unsigned* sums, const uint4* x, long long n) {
    const long long first = first_element<UNROLL>();
    uint4 v[UNROLL];
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) {
        const long long i = first + (long long)u * blockDim.x;
        v[u] = i < n ? x[i] : make_uint4(0, 0, 0, 0);
    }
    unsigned sum = 0;
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) sum += v[u].x + v[u].y + v[u].z + v[u].w;
    keep_block_sum(sums, sum);
}

template <int UNROLL>
__global__ void roof_write(uint4* y, long long n) {
    const long long first = first_element<UNROLL>();
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) {
        const long long i = first + (long long)u * blockDim.x;
        const unsigned v = (unsigned)i * 2654435761u;
        if (i < n) y[i] = make_uint4(v, v, v, v);
    }
}

template <int UNROLL>
__global__ void roof_copy(uint4* y, const uint4* x, long long n) {
    const long long first = first_element<UNROLL>();
    uint4 v[UNROLL];
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) {
        const long long i = first + (long long)u * blockDim.x;
        if (i < n) v[u] = x[i];
    }
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) {
        const long long i = first + (long long)u * blockDim.x;
        if (i < n) y[i] = v[u];
    }
}

template <int UNROLL>
__global__ void roof_2to1(uint4* y, const uint4* a, const uint4* b, long long n) {
    const long long first = first_element<UNROLL>();
    uint4 v[UNROLL], w[UNROLL];
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) {
        const long long i = first + (long long)u * blockDim.x;
        if (i < n) {
            v[u] = a[i];
            w[u] = b[i];
        }
    }
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) {
        const long long i = first + (long long)u * blockDim.x;
        if (i < n) y[i] = make_uint4(v[u].x ^ w[u].x, v[u].y ^ w[u].y, v[u].z ^ w[u].z, v[u].w ^ w[u].w);
    }
}

template <int UNROLL>
__global__ void roof_1to2(uint4* y, uint4* z, const uint4* x, long long n) {
    const long long first = first_element<UNROLL>();
    uint4 v[UNROLL];
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) {
        const long long i = first + (long long)u * blockDim.x;
        if (i < n) v[u] = x[i];
    }
#pragma unroll
    for (int u = 0; u < UNROLL; ++u) {
        const long long i = first + (long long)u * blockDim.x;
        if (i < n) {
            y[i] = v[u];
            z[i] = v[u];
        }
    }
}

// One launch reads or copies everything `passes` times, so that its overhead is a small part of the time even where one
// pass takes a few microseconds. In each pass a block takes the next block's chunk: none has what it needs at hand.
__device__ long long chunk_of_pass(int pass) { return (blockIdx.x + (long long)pass) % gridDim.x; }

template <int UNROLL>
__global__ void l2_read(unsigned* sums, const uint4* x, long long n, int passes) {
    unsigned sum = 0;
    for (int pass = 0; pass < passes; ++pass) {
        const long long first = chunk_of_pass(pass) * blockDim.x * UNROLL + threadIdx.x;
        uint4 v[UNROLL];
#pragma unroll
        for (int u = 0; u < UNROLL; ++u) {
            const long long i = first + (long long)u * blockDim.x;
            v[u] = i < n ? __ldcg(x + i) : make_uint4(0, 0, 0, 0);
        }
#pragma unroll
        for (int u = 0; u < UNROLL; ++u) sum += v[u].x + v[u].y + v[u].z + v[u].w;
    }
    keep_block_sum(sums, sum);
}

template <int UNROLL>
__global__ void l2_copy(uint4* y, const uint4* x, long long n, int passes) {
    for (int pass = 0; pass < passes; ++pass) {
        const long long first = chunk_of_pass(pass) * blockDim.x * UNROLL + threadIdx.x;
        uint4 v[UNROLL];
#pragma unroll
        for (int u = 0; u < UNROLL; ++u) {
            const long long i = first + (long long)u * blockDim.x;
            if (i < n) v[u] = __ldcg(x + i);
        }
#pragma unroll
        for (int u = 0; u < UNROLL; ++u) {
            const long long i = first + (long long)u * blockDim.x;
            if (i < n) __stcg(y + i, v[u]);
        }
    }
}

constexpr int CHAINS = 8;

// minus_one and c come as arguments: with constants the compiler would see through the whole loop.
__global__ void fma_peak_fp32(float* y, const float* x, float minus_one, float c, int times) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    float chain[CHAINS];
#pragma unroll
    for (int j = 0; j < CHAINS; ++j) chain[j] = x[i] + (float)j;
#pragma unroll 16
    for (int t = 0; t < times; ++t) {
#pragma unroll
        for (int j = 0; j < CHAINS; ++j) chain[j] = fmaf(chain[j], minus_one, c);
    }
    float sum = 0;
#pragma unroll
    for (int j = 0; j < CHAINS; ++j) sum += chain[j];
    y[i] = sum;
}

__global__ void fma_peak_fp16(float* y, const float* x, float minus_one, float c, int times) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const __half2 factor = __floats2half2_rn(minus_one, minus_one), term = __floats2half2_rn(c, c);
    __half2 chain[CHAINS];
#pragma unroll
    for (int j = 0; j < CHAINS; ++j) chain[j] = __floats2half2_rn(x[i] + (float)j, x[i] + (float)j);
#pragma unroll 16
    for (int t = 0; t < times; ++t) {
#pragma unroll
        for (int j = 0; j < CHAINS; ++j) chain[j] = __hfma2(chain[j], factor, term);
    }
    float sum = 0;
#pragma unroll
    for (int j = 0; j < CHAINS; ++j) sum += __low2float(chain[j]) + __high2float(chain[j]);
    y[i] = sum;
}
