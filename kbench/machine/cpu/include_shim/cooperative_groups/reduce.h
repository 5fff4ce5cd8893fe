// reduce() over a tile, in butterfly order.
#pragma once
#include "../cooperative_groups.h"

namespace cooperative_groups {
#define KB_FUNCTOR(name, expression) \
    template <class T> struct name { T operator()(const T& a, const T& b) const { return expression; } };
KB_FUNCTOR(plus, a + b)
KB_FUNCTOR(less, b < a ? b : a)
KB_FUNCTOR(greater, a < b ? b : a)
KB_FUNCTOR(bit_and, a & b)
KB_FUNCTOR(bit_or, a | b)
KB_FUNCTOR(bit_xor, a ^ b)
template <unsigned N, class Parent, class T, class F> T reduce(const thread_block_tile<N, Parent>& tile, T v, F f, KB_HERE)
{
    for (unsigned step = N / 2; step; step /= 2) v = f(v, tile.shfl_xor(v, step, kb_file, kb_line));
    return v;
}
}  // namespace cooperative_groups
