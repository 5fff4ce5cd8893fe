// CUDA's keywords as the host compiler should read them.
#pragma once
#include "platform.h"

#define __global__ inline  // inline: kernels of the file that are not instantiated cost no compile time
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define KB_NOINLINE __attribute__((noinline))  // the translator writes this for __noinline__: such a macro would break <string>
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __maxnreg__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __builtin_align__(n) __attribute__((aligned(n)))

// The translator rewrites shared declarations to the last two of these; what it cannot parse stays a plain variable of
// the worker, which works but has no guards.
#define __shared__ static thread_local
#define KB_DYNAMIC_SHARED(T, name) T* name = reinterpret_cast<T*>(::kb::dynamic_shared())  // extern __shared__ T name[];
#define KB_SHARED(name, align, dims, ...) /* __shared__ T name dims; */                                              \
    using kb_type_##name = __VA_ARGS__ dims;                                                                         \
    static unsigned kb_site_##name;                                                                                  \
    kb_type_##name& name = *static_cast<kb_type_##name*>(::kb::shared_at(                                            \
        &kb_site_##name, sizeof(kb_type_##name), (alignof(kb_type_##name) > align ? alignof(kb_type_##name) : align), \
        #name))

#undef assert
#define assert(e) ((e) ? (void)0 : ::kb::fail_assert(#e, __FILE__, __LINE__))
