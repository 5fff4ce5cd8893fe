// __half, __nv_bfloat16 and their x2 forms, without NVIDIA's headers: integer code, round to nearest even.
#pragma once
#include "floats.h"
#include "vectors.h"

#define __CUDA_FP16_TYPES_EXIST__
#define __CUDA_BF16_TYPES_EXIST__
namespace kb {
static inline uint32_t fu(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
static inline float uf(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
enum Rnd { RN, RZ, RD, RU };
static inline bool up(Rnd r, bool neg, uint64_t rem, uint64_t half, bool odd)
{
    if (r == RN) return rem > half || (rem == half && odd);
    if (r == RZ) return false;
    return rem != 0 && (r == RU) != neg;
}
// Any double (exact image of a float or half) to a small IEEE-like format: E exponent bits, M mantissa bits.
template <int E, int M, bool IEEE = true> static inline uint32_t narrow(double d, Rnd r, bool* ovf, bool* nan)
{
    uint64_t u; memcpy(&u, &d, 8);
    const bool neg = u >> 63;
    const int e = (int)(u >> 52 & 0x7ff);
    uint64_t m = u & 0xfffffffffffffull;
    *ovf = *nan = false;
    const uint32_t s = (uint32_t)neg << (E + M);
    if (e == 0x7ff) { *ovf = m == 0; *nan = m != 0; return s; }
    if (e == 0) return s | (m && up(r, neg, 1, 2, false) ? 1u : 0u);      // double subnormals are far below every target
    constexpr int bias = (1 << (E - 1)) - 1;
    int x = e - 1023 + bias;                                                // target exponent field
    m |= 1ull << 52;
    int sh = 52 - M;
    if (x <= 0) { sh += 1 - x; x = 0; }
    if (sh > 62) return s | (up(r, neg, 1, 2, false) ? 1u : 0u);
    const uint64_t q = m >> sh, rem = m & ((1ull << sh) - 1);
    uint32_t v = (uint32_t)q + (up(r, neg, rem, 1ull << (sh - 1), q & 1) ? 1u : 0u);
    v += x ? (uint32_t)(x - 1) << M : 0u;                                  // the hidden bit carries into the exponent
    *ovf = IEEE && v >> M >= (1u << E) - 1;
    return *ovf ? s : s | v;                                               // on overflow only the sign
}
template <int E, int M> static inline uint16_t to16(double d, Rnd r = RN)
{
    bool o, n;
    uint32_t v = narrow<E, M>(d, r, &o, &n);
    constexpr uint32_t inf = ((1u << E) - 1) << M;
    if (n) return 0x7fff;
    if (!o) return (uint16_t)v;
    const bool neg = v >> 15, isinf = d - d != 0;
    const bool big = isinf || r == RN || (r == RU && !neg) || (r == RD && neg);
    return (uint16_t)((neg ? 0x8000u : 0u) | (big ? inf : inf - 1));
}
static inline uint16_t f2h(float f)                                        // the common path, branch-light
{
    const uint32_t u = fu(f), s = u >> 16 & 0x8000, a = u & 0x7fffffff;
    if (a >= 0x47800000) return a > 0x7f800000 ? 0x7fff : (uint16_t)(s | 0x7c00);
    if (a < 0x38800000) {                                                  // subnormal result: let the FPU round
        const uint32_t v = fu(uf(a) + uf(0x3f000000));
        return (uint16_t)(s | (v - 0x3f000000));
    }
    return (uint16_t)(s | ((a - 0x38000000 + 0xfff + (a >> 13 & 1)) >> 13));
}
static inline float h2f(uint16_t h)
{
    const uint32_t s = (uint32_t)(h & 0x8000) << 16, m = h & 0x7fff;
    if (m >= 0x7c00) return m > 0x7c00 ? uf(0x7fffffff) : uf(s | 0x7f800000);
    if (m >= 0x400) return uf(s | ((m << 13) + 0x38000000));
    const float f = (float)m * 5.9604644775390625e-8f;
    return s ? -f : f;
}
static inline uint16_t f2b(float f)
{
    const uint32_t u = fu(f);
    if ((u & 0x7fffffff) > 0x7f800000) return 0x7fff;
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
static inline float b2f(uint16_t b) { return uf((uint32_t)b << 16); }
}  // namespace kb

enum cudaRoundMode { cudaRoundNearest, cudaRoundZero, cudaRoundPosInf, cudaRoundMinInf };

#define KB_F16(T, RAW, T2, RAW2, TOF, FROMF, E, M)                                                                     \
    struct alignas(2) RAW { unsigned short x; };                                                                       \
    struct alignas(4) RAW2 { unsigned short x, y; };                                                                   \
    struct alignas(2) T {                                                                                              \
        unsigned short __x;                                                                                            \
        T() = default;                                                                                                 \
        T(const RAW& r) : __x(r.x) {}                                                                                  \
        T(float f) : __x(kb::FROMF(f)) {}                                                                              \
        T(double f) : __x(kb::to16<E, M>(f)) {}                                                                        \
        T(int v) : __x(kb::to16<E, M>(v)) {}                                                                           \
        T(unsigned v) : __x(kb::to16<E, M>(v)) {}                                                                      \
        T(short v) : __x(kb::to16<E, M>(v)) {}                                                                         \
        T(unsigned short v) : __x(kb::to16<E, M>(v)) {}                                                                \
        T(long long v) : __x(kb::to16<E, M>((double)v)) {}                                                             \
        T(unsigned long long v) : __x(kb::to16<E, M>((double)v)) {}                                                    \
        operator float() const { return kb::TOF(__x); }                                                                \
        operator RAW() const { return RAW{__x}; }                                                                      \
        T& operator+=(const T& o) { return *this = T((float)*this + (float)o); }                                       \
        T& operator-=(const T& o) { return *this = T((float)*this - (float)o); }                                       \
        T& operator*=(const T& o) { return *this = T((float)*this * (float)o); }                                       \
        T& operator/=(const T& o) { return *this = T((float)*this / (float)o); }                                       \
    };                                                                                                                 \
    struct alignas(4) T2 {                                                                                             \
        T x, y;                                                                                                        \
        T2() = default;                                                                                                \
        T2(const T& a, const T& b) : x(a), y(b) {}                                                                     \
        T2(const RAW2& r) : x(RAW{r.x}), y(RAW{r.y}) {}                                                                \
        operator RAW2() const { return RAW2{x.__x, y.__x}; }                                                           \
    };                                                                                                                 \
    KB_INLINE T operator+(const T& a, const T& b) { return T((float)a + (float)b); }                                        \
    KB_INLINE T operator-(const T& a, const T& b) { return T((float)a - (float)b); }                                        \
    KB_INLINE T operator*(const T& a, const T& b) { return T((float)a * (float)b); }                                        \
    KB_INLINE T operator/(const T& a, const T& b) { return T((float)a / (float)b); }                                        \
    KB_INLINE T operator-(const T& a) { T r = a; r.__x ^= 0x8000; return r; }                                               \
    KB_INLINE T operator+(const T& a) { return a; }                                                                         \
    KB_INLINE bool operator==(const T& a, const T& b) { return (float)a == (float)b; }                                      \
    KB_INLINE bool operator!=(const T& a, const T& b) { return (float)a != (float)b; }                                      \
    KB_INLINE bool operator<(const T& a, const T& b) { return (float)a < (float)b; }                                        \
    KB_INLINE bool operator>(const T& a, const T& b) { return (float)a > (float)b; }                                        \
    KB_INLINE bool operator<=(const T& a, const T& b) { return (float)a <= (float)b; }                                      \
    KB_INLINE bool operator>=(const T& a, const T& b) { return (float)a >= (float)b; }                                      \
    KB_INLINE T __hadd(T a, T b) { return a + b; }                                                                          \
    KB_INLINE T __hsub(T a, T b) { return a - b; }                                                                          \
    KB_INLINE T __hmul(T a, T b) { return a * b; }                                                                          \
    KB_INLINE T __hdiv(T a, T b) { return a / b; }                                                                          \
    KB_INLINE T __hneg(T a) { return -a; }                                                                                  \
    KB_INLINE T __habs(T a) { a.__x &= 0x7fff; return a; }                                                                  \
    KB_INLINE T __hfma(T a, T b, T c) { return T(fma((double)(float)a, (double)(float)b, (double)(float)c)); }              \
    KB_INLINE T __hmax(T a, T b) { return T(fmaxf(a, b)); }                                                                 \
    KB_INLINE T __hmin(T a, T b) { return T(fminf(a, b)); }                                                                 \
    KB_INLINE bool __heq(T a, T b) { return a == b; }                                                                       \
    KB_INLINE bool __hne(T a, T b) { return a != b; }                                                                       \
    KB_INLINE bool __hlt(T a, T b) { return a < b; }                                                                        \
    KB_INLINE bool __hgt(T a, T b) { return a > b; }                                                                        \
    KB_INLINE bool __hle(T a, T b) { return a <= b; }                                                                       \
    KB_INLINE bool __hge(T a, T b) { return a >= b; }                                                                       \
    KB_INLINE bool __hisnan(T a) { return (float)a != (float)a; }                                                           \
    KB_INLINE T hexp(T a) { return T(expf(a)); }                                                                            \
    KB_INLINE T hlog(T a) { return T(logf(a)); }                                                                            \
    KB_INLINE T hsqrt(T a) { return T(sqrtf(a)); }                                                                          \
    KB_INLINE T hrsqrt(T a) { return T(1.0f / sqrtf(a)); }                                                                  \
    KB_INLINE T hrcp(T a) { return T(1.0f / (float)a); }                                                                    \
    KB_INLINE T2 operator+(const T2& a, const T2& b) { return T2(a.x + b.x, a.y + b.y); }                                   \
    KB_INLINE T2 operator-(const T2& a, const T2& b) { return T2(a.x - b.x, a.y - b.y); }                                   \
    KB_INLINE T2 operator*(const T2& a, const T2& b) { return T2(a.x * b.x, a.y * b.y); }                                   \
    KB_INLINE T2 operator/(const T2& a, const T2& b) { return T2(a.x / b.x, a.y / b.y); }                                   \
    KB_INLINE T2 __hadd2(T2 a, T2 b) { return a + b; }                                                                      \
    KB_INLINE T2 __hsub2(T2 a, T2 b) { return a - b; }                                                                      \
    KB_INLINE T2 __hmul2(T2 a, T2 b) { return a * b; }                                                                      \
    KB_INLINE T2 __hfma2(T2 a, T2 b, T2 c) { return T2(__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)); }                     \
    KB_INLINE T2 __hmax2(T2 a, T2 b) { return T2(__hmax(a.x, b.x), __hmax(a.y, b.y)); }                                     \
    KB_INLINE T2 __hmin2(T2 a, T2 b) { return T2(__hmin(a.x, b.x), __hmin(a.y, b.y)); }

KB_F16(__half, __half_raw, __half2, __half2_raw, h2f, f2h, 5, 10)
KB_F16(__nv_bfloat16, __nv_bfloat16_raw, __nv_bfloat162, __nv_bfloat162_raw, b2f, f2b, 8, 7)
typedef __half half;
typedef __half2 half2;
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;

KB_INLINE float __half2float(__half h) { return h; }
KB_INLINE __half __float2half(float f) { return __half(f); }
KB_INLINE __half __float2half_rn(float f) { return __half(f); }
KB_INLINE __half __float2half_rz(float f) { return __half_raw{kb::to16<5, 10>(f, kb::RZ)}; }
KB_INLINE __half __float2half_rd(float f) { return __half_raw{kb::to16<5, 10>(f, kb::RD)}; }
KB_INLINE __half __float2half_ru(float f) { return __half_raw{kb::to16<5, 10>(f, kb::RU)}; }
KB_INLINE __half __double2half(double d) { return __half(d); }
KB_INLINE __half __int2half_rn(int v) { return __half(v); }
KB_INLINE int __half2int_rn(__half h) { return __float2int_rn(h); }
KB_INLINE int __half2int_rz(__half h) { return __float2int_rz(h); }
KB_INLINE __half2 __float2half2_rn(float f) { return __half2(__half(f), __half(f)); }
KB_INLINE __half2 __floats2half2_rn(float a, float b) { return __half2(__half(a), __half(b)); }
KB_INLINE __half2 __float22half2_rn(float2 f) { return __floats2half2_rn(f.x, f.y); }
KB_INLINE float2 __half22float2(__half2 h) { return make_float2(h.x, h.y); }
KB_INLINE __half2 __half2half2(__half h) { return __half2(h, h); }
KB_INLINE __half2 __halves2half2(__half a, __half b) { return __half2(a, b); }
KB_INLINE __half2 make_half2(__half a, __half b) { return __half2(a, b); }
KB_INLINE __half __low2half(__half2 h) { return h.x; }
KB_INLINE __half __high2half(__half2 h) { return h.y; }
KB_INLINE float __low2float(__half2 h) { return h.x; }
KB_INLINE float __high2float(__half2 h) { return h.y; }
KB_INLINE unsigned short __half_as_ushort(__half h) { return h.__x; }
KB_INLINE short __half_as_short(__half h) { return (short)h.__x; }
KB_INLINE __half __ushort_as_half(unsigned short u) { return __half_raw{u}; }
KB_INLINE __half __short_as_half(short u) { return __half_raw{(unsigned short)u}; }
KB_INLINE float __bfloat162float(__nv_bfloat16 h) { return h; }
KB_INLINE __nv_bfloat16 __float2bfloat16(float f) { return __nv_bfloat16(f); }
KB_INLINE __nv_bfloat16 __float2bfloat16_rn(float f) { return __nv_bfloat16(f); }
KB_INLINE __nv_bfloat16 __float2bfloat16_rz(float f) { return __nv_bfloat16_raw{kb::to16<8, 7>(f, kb::RZ)}; }
KB_INLINE __nv_bfloat16 __double2bfloat16(double d) { return __nv_bfloat16(d); }
KB_INLINE __nv_bfloat162 __float2bfloat162_rn(float f) { return __nv_bfloat162(__nv_bfloat16(f), __nv_bfloat16(f)); }
KB_INLINE __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return __nv_bfloat162(__nv_bfloat16(a), __nv_bfloat16(b)); }
KB_INLINE __nv_bfloat162 __float22bfloat162_rn(float2 f) { return __floats2bfloat162_rn(f.x, f.y); }
KB_INLINE float2 __bfloat1622float2(__nv_bfloat162 h) { return make_float2(h.x, h.y); }
KB_INLINE __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 h) { return __nv_bfloat162(h, h); }
KB_INLINE __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return __nv_bfloat162(a, b); }
KB_INLINE float __low2float(__nv_bfloat162 h) { return h.x; }
KB_INLINE float __high2float(__nv_bfloat162 h) { return h.y; }
KB_INLINE unsigned short __bfloat16_as_ushort(__nv_bfloat16 h) { return h.__x; }
KB_INLINE __nv_bfloat16 __ushort_as_bfloat16(unsigned short u) { return __nv_bfloat16_raw{u}; }

