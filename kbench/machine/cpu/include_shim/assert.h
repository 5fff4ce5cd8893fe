// Kernels get a device-style assert() that becomes a Python exception.
#include_next <assert.h>
#ifdef KBENCH_CPU
#undef assert
#define assert(e) ((e) ? (void)0 : ::kb::fail_assert(#e, __FILE__, __LINE__))
#endif
