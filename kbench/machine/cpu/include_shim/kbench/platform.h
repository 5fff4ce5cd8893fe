// What the host offers: system headers, which sanitizer is on, and the attributes that the runtime's own code carries.
#pragma once
#define KBENCH_CPU 1
#include <unistd.h>
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <type_traits>
#include <utility>
#if defined(__linux__)
#include <link.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define KB_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define KB_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KB_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define KB_TSAN 1
#endif
#endif

#if defined(KB_TSAN) || defined(KB_ASAN)
extern "C" {  // declared here: zig has the runtimes but not their headers
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned);
void __tsan_switch_to_fiber(void*, unsigned);
void __tsan_acquire(void*);
void __tsan_release(void*);
void __sanitizer_start_switch_fiber(void**, const void*, size_t);
void __sanitizer_finish_switch_fiber(void*, const void**, size_t*);
void __sanitizer_set_death_callback(void (*)(void));
}
constexpr unsigned __tsan_switch_to_fiber_no_sync = 1;
#if defined(__clang__)  // clang's no_sanitize("thread") would still track function entry and exit
#define KB_RUNTIME __attribute__((disable_sanitizer_instrumentation, noinline, unused))
#elif defined(KB_TSAN)
#define KB_RUNTIME __attribute__((no_sanitize_thread, noinline, unused))
#else
#define KB_RUNTIME __attribute__((no_sanitize_address, noinline, unused))
#endif
#else
#define KB_RUNTIME
#endif
#define KB_EXPORTED extern "C" __attribute__((visibility("default"), used))
#define KB_LIKELY(x) __builtin_expect(!!(x), 1)
#define KB_COLD __attribute__((cold, noinline))
#define KB_INLINE static inline
