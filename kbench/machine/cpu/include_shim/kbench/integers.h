// Integer intrinsics, min and max.
#pragma once
#include "platform.h"

KB_INLINE int __popc(unsigned x) { return __builtin_popcount(x); }
KB_INLINE int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
KB_INLINE int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
KB_INLINE int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
KB_INLINE int __ffs(int x) { return __builtin_ffs(x); }
KB_INLINE int __ffsll(long long x) { return __builtin_ffsll(x); }
KB_INLINE unsigned __brev(unsigned x) { unsigned r = 0; for (int i = 0; i < 32; ++i) r |= (x >> i & 1u) << (31 - i); return r; }
KB_INLINE unsigned long long __brevll(unsigned long long x) { return (unsigned long long)__brev((unsigned)x) << 32 | __brev((unsigned)(x >> 32)); }
KB_INLINE unsigned __byte_perm(unsigned a, unsigned b, unsigned s)
{ uint64_t v = (uint64_t)b << 32 | a; unsigned r = 0;
  for (int i = 0; i < 4; ++i) { unsigned c = s >> (4 * i) & 0xf, y = (unsigned)(v >> (8 * (c & 7))) & 0xff; if (c & 8) y = y & 0x80 ? 0xff : 0; r |= y << (8 * i); } return r; }
KB_INLINE unsigned __funnelshift_l(unsigned lo, unsigned hi, unsigned s) { return (unsigned)((((uint64_t)hi << 32 | lo) << (s & 31)) >> 32); }
KB_INLINE unsigned __funnelshift_r(unsigned lo, unsigned hi, unsigned s) { return (unsigned)(((uint64_t)hi << 32 | lo) >> (s & 31)); }
KB_INLINE unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((uint64_t)a * b >> 32); }
KB_INLINE int __mulhi(int a, int b) { return (int)((int64_t)a * b >> 32); }
KB_INLINE unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return (unsigned long long)((unsigned __int128)a * b >> 64); }
KB_INLINE long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
KB_INLINE int __mul24(int a, int b) { return (a << 8 >> 8) * (b << 8 >> 8); }
KB_INLINE unsigned __umul24(unsigned a, unsigned b) { return (a & 0xffffff) * (b & 0xffffff); }
KB_INLINE int __dp4a(int a, int b, int c) { for (int i = 0; i < 4; ++i) c += (int)(signed char)(a >> 8 * i) * (signed char)(b >> 8 * i); return c; }
#define KB_MM(A, B) KB_INLINE std::common_type_t<A, B> min(A a, B b) { using C = std::common_type_t<A, B>; return (C)a < (C)b ? (C)a : (C)b; } \
                    KB_INLINE std::common_type_t<A, B> max(A a, B b) { using C = std::common_type_t<A, B>; return (C)a > (C)b ? (C)a : (C)b; }
#define KB_MM2(A, B) KB_MM(A, B) KB_MM(B, A)
KB_MM(int, int) KB_MM(unsigned, unsigned) KB_MM(long, long) KB_MM(unsigned long, unsigned long) KB_MM(long long, long long) KB_MM(unsigned long long, unsigned long long)
KB_MM2(int, unsigned) KB_MM2(int, long) KB_MM2(int, long long) KB_MM2(int, unsigned long) KB_MM2(int, unsigned long long) KB_MM2(unsigned, long)
KB_MM2(unsigned, long long) KB_MM2(unsigned, unsigned long) KB_MM2(unsigned, unsigned long long) KB_MM2(long, long long) KB_MM2(long, unsigned long)
KB_INLINE float min(float a, float b) { return fminf(a, b); }
KB_INLINE float max(float a, float b) { return fmaxf(a, b); }
KB_INLINE double min(double a, double b) { return fmin(a, b); }
KB_INLINE double max(double a, double b) { return fmax(a, b); }
KB_INLINE double min(float a, double b) { return fmin(a, b); }
KB_INLINE double max(float a, double b) { return fmax(a, b); }
KB_INLINE double min(double a, float b) { return fmin(a, b); }
KB_INLINE double max(double a, float b) { return fmax(a, b); }

