// char1 … double4 with CUDA's alignments, make_…, dim3.
#pragma once
#include "platform.h"

#define KB_VECTOR(T, N, A2, A4)                                                   \
    struct N##1 { T x; };                                                      \
    struct alignas(A2) N##2 { T x, y; };                                       \
    struct N##3 { T x, y, z; };                                                \
    struct alignas(A4) N##4 { T x, y, z, w; };                                 \
    KB_INLINE N##1 make_##N##1(T x) { return {x}; }                        \
    KB_INLINE N##2 make_##N##2(T x, T y) { return {x, y}; }                \
    KB_INLINE N##3 make_##N##3(T x, T y, T z) { return {x, y, z}; }        \
    KB_INLINE N##4 make_##N##4(T x, T y, T z, T w) { return {x, y, z, w}; }
KB_VECTOR(signed char, char, 2, 4)
KB_VECTOR(unsigned char, uchar, 2, 4)
KB_VECTOR(short, short, 4, 8)
KB_VECTOR(unsigned short, ushort, 4, 8)
KB_VECTOR(int, int, 8, 16)
KB_VECTOR(unsigned int, uint, 8, 16)
KB_VECTOR(long, long, 16, 16)
KB_VECTOR(unsigned long, ulong, 16, 16)
KB_VECTOR(long long, longlong, 16, 16)
KB_VECTOR(unsigned long long, ulonglong, 16, 16)
KB_VECTOR(float, float, 8, 16)
KB_VECTOR(double, double, 16, 16)
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
typedef unsigned int uint;
typedef unsigned short ushort;
typedef unsigned long ulong;
constexpr int warpSize = 32;
