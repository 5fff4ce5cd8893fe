// Atomics, and the loads and stores that carry a cache hint.
#pragma once
#include "sync.h"

// ------------------------------------------------------------ memory hints
#define KB_LD(n) template <class T> KB_INLINE T n(const T* p) { return *p; }
KB_LD(__ldg) KB_LD(__ldca) KB_LD(__ldcg) KB_LD(__ldcs) KB_LD(__ldlu) KB_LD(__ldcv)
#define KB_ST(n) template <class T> KB_INLINE void n(T* p, std::common_type_t<T> v) { *p = v; }
KB_ST(__stwb) KB_ST(__stcg) KB_ST(__stcs) KB_ST(__stwt)
template <class T> KB_INLINE size_t __cvta_generic_to_shared(const T* p) { return (size_t)p; }
KB_INLINE void* __builtin_assume_aligned_kb(const void* p, size_t) { return (void*)p; }

// ------------------------------------------------------------ atomics (relaxed, like CUDA's)
#define KB_RMW(name, expr)                                                                                            \
    template <class T> KB_INLINE T name(T* p, std::common_type_t<T> v) {                                                   \
        using U = std::conditional_t<sizeof(T) == 8, uint64_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint16_t>>; \
        U* q = reinterpret_cast<U*>(p); U o = __atomic_load_n(q, __ATOMIC_RELAXED), n;                                \
        T old, neu;                                                                                                   \
        do { memcpy((void*)&old, &o, sizeof old); neu = expr; n = 0; memcpy(&n, &neu, sizeof neu); }                  \
        while (!__atomic_compare_exchange_n(q, &o, n, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));                    \
        kb::tsan_atomic(); return old; }                                                                                                 \
    template <class T> KB_INLINE T name##_block(T* p, std::common_type_t<T> v) { return name(p, v); }                      \
    template <class T> KB_INLINE T name##_system(T* p, std::common_type_t<T> v) { return name(p, v); }
KB_RMW(atomicAdd, T(old + v)) KB_RMW(atomicSub, T(old - v)) KB_RMW(atomicExch, v)
KB_RMW(atomicMin, v < old ? v : old) KB_RMW(atomicMax, v > old ? v : old)
KB_RMW(atomicAnd, old & v) KB_RMW(atomicOr, old | v) KB_RMW(atomicXor, old ^ v)
KB_RMW(atomicInc, old >= v ? 0 : old + 1) KB_RMW(atomicDec, old == 0 || old > v ? v : old - 1)
template <class T> KB_INLINE T atomicCAS(T* p, std::common_type_t<T> c, std::common_type_t<T> v)
{ T e = c; __atomic_compare_exchange_n(p, &e, (T)v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED); kb::tsan_atomic(); return e; }
template <class T> KB_INLINE T atomicCAS_block(T* p, std::common_type_t<T> c, std::common_type_t<T> v) { return atomicCAS(p, c, v); }
template <class T> KB_INLINE T atomicCAS_system(T* p, std::common_type_t<T> c, std::common_type_t<T> v) { return atomicCAS(p, c, v); }

