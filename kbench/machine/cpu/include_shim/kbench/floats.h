// Float intrinsics and conversions.
#pragma once
#include "platform.h"

KB_INLINE int __float_as_int(float x) { int r; memcpy(&r, &x, 4); return r; }
KB_INLINE unsigned __float_as_uint(float x) { unsigned r; memcpy(&r, &x, 4); return r; }
KB_INLINE float __int_as_float(int x) { float r; memcpy(&r, &x, 4); return r; }
KB_INLINE float __uint_as_float(unsigned x) { float r; memcpy(&r, &x, 4); return r; }
KB_INLINE long long __double_as_longlong(double x) { long long r; memcpy(&r, &x, 8); return r; }
KB_INLINE double __longlong_as_double(long long x) { double r; memcpy(&r, &x, 8); return r; }
// names that some libc also has (rsqrt: glibc 2.42) go through macros
KB_INLINE float kb_rsqrtf(float x) { return 1.0f / sqrtf(x); }
KB_INLINE double kb_rsqrt(double x) { return 1.0 / sqrt(x); }
KB_INLINE float kb_exp10f(float x) { return (float)pow(10.0, (double)x); }
#define rsqrtf kb_rsqrtf
#define rsqrt kb_rsqrt
#define exp10f kb_exp10f
KB_INLINE float __frsqrt_rn(float x) { return (float)(1.0 / sqrt((double)x)); }
// glibc's <math.h> has these names already, so they are macros
#define __expf expf
#define __exp10f kb_exp10f
#define __logf logf
#define __log2f log2f
#define __log10f log10f
#define __sinf sinf
#define __cosf cosf
#define __tanf tanf
#define __powf powf
#define __tanhf tanhf
KB_INLINE float __fdividef(float a, float b) { return a / b; }
KB_INLINE float fdividef(float a, float b) { return a / b; }
KB_INLINE float __fdiv_rn(float a, float b) { return a / b; }
KB_INLINE float __frcp_rn(float a) { return 1.0f / a; }
KB_INLINE float __fsqrt_rn(float a) { return sqrtf(a); }
KB_INLINE float __fadd_rn(float a, float b) { return a + b; }
KB_INLINE float __fsub_rn(float a, float b) { return a - b; }
KB_INLINE float __fmul_rn(float a, float b) { return a * b; }
KB_INLINE float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
KB_INLINE double __dadd_rn(double a, double b) { return a + b; }
KB_INLINE double __dmul_rn(double a, double b) { return a * b; }
KB_INLINE double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
KB_INLINE float __saturatef(float x) { return x > 0.f ? (x < 1.f ? x : 1.f) : 0.f; }
namespace kb {
// Out of range saturates. NaN gives 0, except from a double or to 64 bits: then the top bit alone (PTX ISA, cvt).
template <class I, class S> static inline I to_integer(double x)
{
    constexpr int bits = 8 * sizeof(I);
    constexpr double half = (double)(1ull << (bits - 1)), low = std::is_signed_v<I> ? -half : 0.0, high = std::is_signed_v<I> ? half : 2 * half;
    constexpr I top = (I)(1ull << (bits - 1)), least = std::is_signed_v<I> ? top : (I)0, most = (I)~least;
    if (x != x) return sizeof(S) == 8 || sizeof(I) == 8 ? top : (I)0;
    return x >= high ? most : x < low ? least : (I)x;
}
}  // namespace kb
#define KB_CV(S, N, I)                                                                \
    KB_INLINE I __##N##_rn(S x) { return kb::to_integer<I, S>(nearbyint((double)x)); } \
    KB_INLINE I __##N##_rz(S x) { return kb::to_integer<I, S>(trunc((double)x)); }     \
    KB_INLINE I __##N##_rd(S x) { return kb::to_integer<I, S>(floor((double)x)); }     \
    KB_INLINE I __##N##_ru(S x) { return kb::to_integer<I, S>(ceil((double)x)); }
KB_CV(float, float2int, int) KB_CV(float, float2uint, unsigned) KB_CV(float, float2ll, long long) KB_CV(float, float2ull, unsigned long long)
KB_CV(double, double2int, int) KB_CV(double, double2uint, unsigned) KB_CV(double, double2ll, long long) KB_CV(double, double2ull, unsigned long long)
KB_INLINE float __int2float_rn(int x) { return (float)x; }
KB_INLINE float __uint2float_rn(unsigned x) { return (float)x; }
KB_INLINE float __ll2float_rn(long long x) { return (float)x; }
KB_INLINE double __int2double_rn(int x) { return x; }
KB_INLINE float __double2float_rn(double x) { return (float)x; }

