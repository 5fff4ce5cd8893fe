// Device functions that the other files leave out, a kernel for each family; every thread writes its own results.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
namespace cg = cooperative_groups;

// o[0..9] were 100: each thread of the block applies each operation once.
extern "C" __global__ void atomics(int* o, unsigned long long* wide, float* real)
{
    const int t = threadIdx.x;
    atomicAdd(o + 0, t);
    atomicSub(o + 1, t);
    atomicMin(o + 2, t + 50);
    atomicMax(o + 3, t + 50);
    atomicAnd(o + 4, ~(t & 4));
    atomicOr(o + 5, t);
    atomicXor(o + 6, t);
    atomicInc((unsigned*)o + 7, 100u);
    atomicDec((unsigned*)o + 8, 100u);
    atomicExch_block(o + 9, 7);
    atomicAdd_system(wide, 1ull << 40);
    atomicCAS(wide + 1, 5ull, 6ull);
    atomicAdd(real, 0.5f);
}

extern "C" __global__ void warps(unsigned* o, const int* x)
{
    const int t = threadIdx.x, v = x[t];
    int same;
    unsigned* r = o + t * 9;
    r[0] = __reduce_min_sync(~0u, v);
    r[1] = __reduce_max_sync(~0u, (unsigned)v);
    r[2] = __reduce_and_sync(~0u, (unsigned)v);
    r[3] = __reduce_or_sync(~0u, (unsigned)v);
    r[4] = __reduce_xor_sync(~0u, (unsigned)v);
    r[5] = __match_all_sync(~0u, 3, &same) + same;
    r[6] = __match_all_sync(~0u, t, &same) + same;
    r[7] = __activemask();
    r[8] = (unsigned)(__shfl_sync(~0u, (long long)v << 32, 3) >> 32);
}

extern "C" __global__ void tiles(int* o, const int* x)
{
    auto block = cg::this_thread_block();
    auto warp = cg::tiled_partition<32>(block);
    auto tile = cg::tiled_partition<8>(warp);
    const int t = block.thread_rank(), v = x[t];
    int* r = o + t * 8;
    r[0] = cg::reduce(tile, v, cg::plus<int>());
    r[1] = cg::reduce(warp, v, cg::greater<int>());
    r[2] = tile.shfl(v, 2);
    r[3] = tile.shfl_down(v, 1);
    r[4] = (int)tile.ballot(v & 1);
    r[5] = tile.any(v == 3) * 2 + warp.all(v >= 0);
    r[6] = (int)(tile.thread_rank() * 100 + tile.meta_group_rank() * 10 + tile.meta_group_size());
    tile.sync();
    cg::sync(block);
    r[7] = (int)block.size();
}

// Two values at a time: x2 and x4 forms against the scalar ones.
extern "C" __global__ void pairs(float* o, const float* x)
{
    const int t = threadIdx.x;
    const float a = x[2 * t], b = x[2 * t + 1];
    float* r = o + t * 10;
    const __half2 h = __hfma2(__floats2half2_rn(a, b), __float2half2_rn(2.0f), __halves2half2(__half(1.0f), __half(2.0f)));
    r[0] = __low2float(h), r[1] = __high2float(h);
    const float2 w = __bfloat1622float2(__hadd2(__floats2bfloat162_rn(a, b), __float2bfloat162_rn(1.0f)));
    r[2] = w.x, r[3] = w.y;
    const float4 f = (float4)__nv_fp8x4_e4m3(make_float4(a, b, -a, -b));
    r[4] = f.x, r[5] = f.y, r[6] = f.z, r[7] = f.w;
    const float2 e = (float2)__nv_fp8x2_e5m2(make_float2(a, b));
    r[8] = e.x, r[9] = e.y;
}

extern "C" __global__ void rounding(long long* o, const double* x)
{
    const int t = threadIdx.x;
    const double d = x[t];
    const float f = (float)d;
    long long* r = o + t * 8;
    r[0] = __float2int_rz(f), r[1] = __float2int_rd(f), r[2] = __float2int_ru(f), r[3] = __float2uint_rn(f);
    r[4] = __double2ll_rn(d), r[5] = __double2int_rz(d), r[6] = __float2ll_rz(f);
    r[7] = (long long)min(d, 7.0) + max(3, (int)threadIdx.x) + (int)__saturatef(f);
}
