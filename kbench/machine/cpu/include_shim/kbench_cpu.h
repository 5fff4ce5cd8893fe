// CUDA C++ kernels on the host: C++17, g++ >= 9, clang++ >= 9 or zig c++. Comes before a translated .cu file; one
// instantiation is exported by KB_EXPORT (kbench/exports.h). Read in this order:
#pragma once
#include "kbench/platform.h"       // the host, the sanitizers
#include "kbench/keywords.h"       // __global__, __shared__, …
#include "kbench/vectors.h"        // float4, dim3, …
#include "kbench/state.h"          // launch, worker, thread: the runtime's data
#include "kbench/errors.h"         // how a kernel's mistake leaves the kernel
#include "kbench/shared_memory.h"  // guarded __shared__ memory
#include "kbench/fibers.h"         // stacks, and the switch between them
#include "kbench/stuck.h"          // where threads wait, in words
#include "kbench/scheduler.h"      // barriers, warp operations, blocks
#include "kbench/signals.h"        // bad addresses, time limit
#include "kbench/launch.h"         // worker threads
#include "kbench/exports.h"        // what Python calls
#include "kbench/sync.h"           // __syncthreads, __shfl_sync, fences
#include "kbench/atomics.h"        // atomicAdd, …; __ldg, __stcs, …
#include "kbench/integers.h"       // __popc, __byte_perm, min, …
#include "kbench/floats.h"         // __expf, __float2int_rn, …
#include "kbench/half.h"           // __half, __nv_bfloat16
#include "kbench/fp8.h"            // __nv_fp8_e4m3, __nv_fp8_e5m2
#include "kbench/checks.h"         // undefined behaviour: the "check" mode
#if defined(KB_JOB)
#include "kbench/job.h"            // main() of the sanitizer builds
#endif
