// Barriers, fences and warp operations. Each takes the caller's file and line along, for messages.
#pragma once
#include "scheduler.h"

#define KB_HERE const char* kb_file = __builtin_FILE(), int kb_line = __builtin_LINE()
// ------------------------------------------------------------ barriers and fences
// The calls are numbered where they are written: two on one line are two barriers.
KB_INLINE void kb_syncthreads(unsigned site, KB_HERE) { kb::barrier(0, 0, kb_file, kb_line, site); }
KB_INLINE int kb_syncthreads_count(unsigned site, int p, KB_HERE) { return kb::barrier(p, 0, kb_file, kb_line, site); }
KB_INLINE int kb_syncthreads_and(unsigned site, int p, KB_HERE) { return kb::barrier(p, 1, kb_file, kb_line, site); }
KB_INLINE int kb_syncthreads_or(unsigned site, int p, KB_HERE) { return kb::barrier(p, 2, kb_file, kb_line, site); }
#define __syncthreads() kb_syncthreads(__COUNTER__ + 1)
#define __syncthreads_count(...) kb_syncthreads_count(__COUNTER__ + 1, __VA_ARGS__)
#define __syncthreads_and(...) kb_syncthreads_and(__COUNTER__ + 1, __VA_ARGS__)
#define __syncthreads_or(...) kb_syncthreads_or(__COUNTER__ + 1, __VA_ARGS__)
KB_INLINE void __syncwarp(unsigned m = ~0u, KB_HERE) { kb::warp_op(m, kb::OP_SYNC, 0, 0, kb_file, kb_line); }
#if defined(KB_TSAN)   // ThreadSanitizer knows no fences: a fence releases, every atomic acquires what fences released
namespace kb { static char g_fence; KB_INLINE void tsan_atomic() { __tsan_acquire(&g_fence); } }
KB_INLINE void __threadfence() { __tsan_release(&kb::g_fence); }
#else
namespace kb { KB_INLINE void tsan_atomic() {} }
KB_INLINE void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
#endif
KB_INLINE void __threadfence_block() { __threadfence(); }
KB_INLINE void __threadfence_system() { __threadfence(); }
KB_INLINE void __nanosleep(unsigned) {}
[[noreturn]] KB_INLINE void __trap() { __builtin_trap(); }
KB_INLINE long long clock64() { timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ll + t.tv_nsec; }
KB_INLINE int kb_clock() { return (int)clock64(); }
#define clock kb_clock

// ------------------------------------------------------------ warp operations
namespace kb {
template <class T> static inline uint64_t bits(T v) { static_assert(sizeof(T) <= 8, "shuffle of at most 8 bytes"); uint64_t u = 0; memcpy(&u, &v, sizeof v); return u; }
template <class T> static inline T unbits(uint64_t u) { T v; memcpy((void*)&v, &u, sizeof v); return v; }
KB_RUNTIME static inline int lane() { return (int)(worker()->cur & 31); }
}  // namespace kb
template <class T> KB_INLINE T __shfl_sync(unsigned m, T v, int src, int width = 32, KB_HERE)
{ int l = kb::lane(); return kb::unbits<T>(kb::warp_op(m, kb::OP_SHFL, kb::bits(v), (l & ~(width - 1)) | (src & (width - 1)), kb_file, kb_line)); }
template <class T> KB_INLINE T __shfl_up_sync(unsigned m, T v, unsigned d, int width = 32, KB_HERE)
{ int l = kb::lane(), s = l - (int)d; return kb::unbits<T>(kb::warp_op(m, kb::OP_SHFL, kb::bits(v), s < (l & ~(width - 1)) ? l : s, kb_file, kb_line)); }
template <class T> KB_INLINE T __shfl_down_sync(unsigned m, T v, unsigned d, int width = 32, KB_HERE)
{ int l = kb::lane(), s = l + (int)d; return kb::unbits<T>(kb::warp_op(m, kb::OP_SHFL, kb::bits(v), s > (l | (width - 1)) ? l : s, kb_file, kb_line)); }
template <class T> KB_INLINE T __shfl_xor_sync(unsigned m, T v, int x, int width = 32, KB_HERE)
{ int l = kb::lane(), s = l ^ x; return kb::unbits<T>(kb::warp_op(m, kb::OP_SHFL, kb::bits(v), s > (l | (width - 1)) ? l : s & 31, kb_file, kb_line)); }
KB_INLINE unsigned __ballot_sync(unsigned m, int p, KB_HERE) { return (unsigned)kb::warp_op(m, kb::OP_BALLOT, p != 0, 0, kb_file, kb_line); }
KB_INLINE int __any_sync(unsigned m, int p, KB_HERE) { return kb::warp_op(m, kb::OP_BALLOT, p != 0, 0, kb_file, kb_line) != 0; }
KB_INLINE int __all_sync(unsigned m, int p, KB_HERE) { return kb::warp_op(m, kb::OP_BALLOT, p == 0, 0, kb_file, kb_line) == 0; }
template <class T> KB_INLINE unsigned __match_any_sync(unsigned m, T v, KB_HERE) { return (unsigned)kb::warp_op(m, kb::OP_MATCH, kb::bits(v), 0, kb_file, kb_line); }
template <class T> KB_INLINE unsigned __match_all_sync(unsigned m, T v, int* p, KB_HERE)
{ unsigned e = __match_any_sync(m, v, kb_file, kb_line), a = m & ~kb::worker()->warp_done[kb::worker()->cur >> 5]; *p = e == a; return *p ? a : 0; }
#define KB_RED(T, name, op) KB_INLINE T name(unsigned m, T v, KB_HERE) { return (T)kb::warp_op(m, kb::op, (uint64_t)(int64_t)v, 0, kb_file, kb_line); }
KB_RED(unsigned, __reduce_add_sync, OP_ADD) KB_RED(int, __reduce_add_sync, OP_ADD)
KB_RED(unsigned, __reduce_min_sync, OP_MIN) KB_RED(int, __reduce_min_sync, OP_MINS)
KB_RED(unsigned, __reduce_max_sync, OP_MAX) KB_RED(int, __reduce_max_sync, OP_MAXS)
KB_RED(unsigned, __reduce_and_sync, OP_AND) KB_RED(unsigned, __reduce_or_sync, OP_OR) KB_RED(unsigned, __reduce_xor_sync, OP_XOR)
KB_INLINE unsigned __activemask() { return ~kb::worker()->warp_done[kb::worker()->cur >> 5]; }

