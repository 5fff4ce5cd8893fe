// __nv_fp8_e4m3, __nv_fp8_e5m2 and their x2 and x4 forms.
#pragma once
#include "half.h"
#define __CUDA_FP8_TYPES_EXIST__

typedef unsigned char __nv_fp8_storage_t;
typedef unsigned short __nv_fp8x2_storage_t;
typedef unsigned int __nv_fp8x4_storage_t;
enum __nv_saturation_t { __NV_NOSAT, __NV_SATFINITE };
enum __nv_fp8_interpretation_t { __NV_E4M3, __NV_E5M2 };
namespace kb {
static inline uint8_t to8(float f, __nv_saturation_t sat, __nv_fp8_interpretation_t kind)
{
    const bool e4m3 = kind == __NV_E4M3;
    const uint32_t u = fu(f), s = u >> 24 & 0x80, a = u & 0x7fffffff;
    if (a > 0x7f800000) return 0x7f;
    if (a < (e4m3 ? 0x3c800000u : 0x38800000u)) {  // subnormal result: let the FPU round, beside a number with its ulp
        const uint32_t beside = e4m3 ? 0x46800000 : 0x43000000;
        return (uint8_t)(s | (fu(uf(a) + uf(beside)) - beside));
    }
    const int shift = e4m3 ? 20 : 21;
    const uint32_t v = (a - (e4m3 ? 120u << 23 : 112u << 23) + (1u << (shift - 1)) - 1 + (a >> shift & 1)) >> shift;
    const uint32_t most = e4m3 ? 0x7e : 0x7b;  // one more is e4m3's NaN, e5m2's infinity
    return (uint8_t)(s | (v <= most ? v : sat == __NV_SATFINITE ? most : most + 1));
}
static inline uint8_t to8(double d, __nv_saturation_t sat, __nv_fp8_interpretation_t kind)
{
    bool overflow, nan;
    uint64_t u;
    memcpy(&u, &d, 8);
    const uint32_t s = u >> 63 ? 0x80 : 0;
    const double size = s ? -d : d;
    if (d != d) return (uint8_t)(s | (kind == __NV_E4M3 ? 0x7f : 0x7e | (u >> 50 & 3)));  // unlike from float: sign kept
    if (kind == __NV_E5M2) {
        const uint32_t v = narrow<5, 2>(d, RN, &overflow, &nan);
        return (uint8_t)(overflow ? s | (sat == __NV_SATFINITE ? 0x7b : 0x7c) : v);
    }
    // e4m3 has no infinity: its top exponent holds numbers up to 448
    if (size > 464.0) return (uint8_t)(s | (sat == __NV_SATFINITE ? 0x7e : 0x7f));
    return (uint8_t)(size > 448.0 ? s | 0x7e : narrow<4, 3, false>(d, RN, &overflow, &nan));
}
static inline uint16_t fp8_to_h(uint8_t v, __nv_fp8_interpretation_t k)
{
    if (k == __NV_E5M2) { uint16_t h = (uint16_t)(v << 8); return (h & 0x7fff) > 0x7c00 ? 0x7fff : h; }
    const uint16_t s = (uint16_t)((v & 0x80) << 8);
    const unsigned e = v >> 3 & 15, m = v & 7;
    if ((v & 0x7f) == 0x7f) return 0x7fff;
    if (e) return (uint16_t)(s | (e + 8) << 10 | m << 7);
    return (uint16_t)(s | f2h((float)m * 0.001953125f));
}
}  // namespace kb
KB_INLINE __nv_fp8_storage_t __nv_cvt_double_to_fp8(double x, __nv_saturation_t s, __nv_fp8_interpretation_t k) { return kb::to8(x, s, k); }
KB_INLINE __nv_fp8_storage_t __nv_cvt_float_to_fp8(float x, __nv_saturation_t s, __nv_fp8_interpretation_t k) { return kb::to8(x, s, k); }
KB_INLINE __nv_fp8_storage_t __nv_cvt_halfraw_to_fp8(__half_raw x, __nv_saturation_t s, __nv_fp8_interpretation_t k) { return kb::to8(kb::h2f(x.x), s, k); }
KB_INLINE __nv_fp8_storage_t __nv_cvt_bfloat16raw_to_fp8(__nv_bfloat16_raw x, __nv_saturation_t s, __nv_fp8_interpretation_t k) { return kb::to8(kb::b2f(x.x), s, k); }
KB_INLINE __nv_fp8x2_storage_t __nv_cvt_float2_to_fp8x2(float2 x, __nv_saturation_t s, __nv_fp8_interpretation_t k)
{ return (unsigned short)(kb::to8(x.x, s, k) | kb::to8(x.y, s, k) << 8); }
KB_INLINE __nv_fp8x2_storage_t __nv_cvt_halfraw2_to_fp8x2(__half2_raw x, __nv_saturation_t s, __nv_fp8_interpretation_t k)
{ return (unsigned short)(kb::to8(kb::h2f(x.x), s, k) | kb::to8(kb::h2f(x.y), s, k) << 8); }
KB_INLINE __nv_fp8x2_storage_t __nv_cvt_bfloat16raw2_to_fp8x2(__nv_bfloat162_raw x, __nv_saturation_t s, __nv_fp8_interpretation_t k)
{ return (unsigned short)(kb::to8(kb::b2f(x.x), s, k) | kb::to8(kb::b2f(x.y), s, k) << 8); }
KB_INLINE __half_raw __nv_cvt_fp8_to_halfraw(__nv_fp8_storage_t x, __nv_fp8_interpretation_t k) { return __half_raw{kb::fp8_to_h(x, k)}; }
KB_INLINE __half2_raw __nv_cvt_fp8x2_to_halfraw2(__nv_fp8x2_storage_t x, __nv_fp8_interpretation_t k) { return __half2_raw{kb::fp8_to_h((uint8_t)x, k), kb::fp8_to_h((uint8_t)(x >> 8), k)}; }
#define KB_FP8(T, T2, T4, K)                                                                                           \
    struct T { __nv_fp8_storage_t __x; T() = default;                                                                  \
        explicit T(float f) : __x(kb::to8(f, __NV_SATFINITE, K)) {}                                                    \
        explicit T(double f) : __x(kb::to8(f, __NV_SATFINITE, K)) {}                                                   \
        explicit T(int f) : __x(kb::to8((double)f, __NV_SATFINITE, K)) {}                                                      \
        explicit T(__half f) : __x(kb::to8((float)f, __NV_SATFINITE, K)) {}                                            \
        explicit T(__nv_bfloat16 f) : __x(kb::to8((float)f, __NV_SATFINITE, K)) {}                                     \
        explicit operator __half() const { return __half_raw{kb::fp8_to_h(__x, K)}; }                                  \
        explicit operator __nv_bfloat16() const { return __nv_bfloat16(kb::h2f(kb::fp8_to_h(__x, K))); }               \
        explicit operator float() const { return kb::h2f(kb::fp8_to_h(__x, K)); }                                      \
        explicit operator double() const { return kb::h2f(kb::fp8_to_h(__x, K)); } };                                  \
    struct alignas(2) T2 { __nv_fp8x2_storage_t __x; T2() = default;                                                   \
        explicit T2(float2 f) : __x(__nv_cvt_float2_to_fp8x2(f, __NV_SATFINITE, K)) {}                                 \
        explicit T2(__half2 f) : __x(__nv_cvt_halfraw2_to_fp8x2(f, __NV_SATFINITE, K)) {}                              \
        explicit T2(__nv_bfloat162 f) : __x(__nv_cvt_bfloat16raw2_to_fp8x2(f, __NV_SATFINITE, K)) {}                   \
        explicit operator __half2() const { return __nv_cvt_fp8x2_to_halfraw2(__x, K); }                               \
        explicit operator float2() const { return __half22float2(__nv_cvt_fp8x2_to_halfraw2(__x, K)); } };             \
    struct alignas(4) T4 { __nv_fp8x4_storage_t __x; T4() = default;                                                   \
        explicit T4(float4 f) : __x((unsigned)__nv_cvt_float2_to_fp8x2(make_float2(f.x, f.y), __NV_SATFINITE, K)       \
                                    | (unsigned)__nv_cvt_float2_to_fp8x2(make_float2(f.z, f.w), __NV_SATFINITE, K) << 16) {} \
        explicit T4(__half2 a, __half2 b) : __x((unsigned)__nv_cvt_halfraw2_to_fp8x2(a, __NV_SATFINITE, K)             \
                                    | (unsigned)__nv_cvt_halfraw2_to_fp8x2(b, __NV_SATFINITE, K) << 16) {}             \
        explicit operator float4() const { float2 a(T2_(__x)), b(T2_(__x >> 16)); return make_float4(a.x, a.y, b.x, b.y); } \
        static T2 T2_(unsigned v) { T2 r; r.__x = (unsigned short)v; return r; } };
KB_FP8(__nv_fp8_e4m3, __nv_fp8x2_e4m3, __nv_fp8x4_e4m3, __NV_E4M3)
KB_FP8(__nv_fp8_e5m2, __nv_fp8x2_e5m2, __nv_fp8x4_e5m2, __NV_E5M2)
