// pipeline: the kernels that a step of a serving engine is laid out from, in the order in which the step runs them. They are the
// library's own; this file only brings them together, because all launches of an Op come from one source.
//
// reshape_and_cache_vector   a layer's new keys and values, into the pages that the slots name
// fma_vector                 stands in for a layer's arithmetic (attention, matrix products): the time is made of multiply-adds on
//                            values that stay in registers, so it uses the multiprocessors and leaves the memory to the copies
// move_pages                 gathers the pages that are swapped out into one buffer, which leaves in a single copy
#include "fma.cu"
#include "reshape_and_cache.cu"
#include "swap_blocks.cu"
