// Stacks, and the switch between them: threads run one after another on one stack until one has to wait.
#pragma once
#include "errors.h"

extern "C" void kb_switch(void** save, void* to) __asm__("kb_switch_asm");
#if defined(__x86_64__)
__asm__(R"(
.text
.p2align 4
kb_switch_asm:
    pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
    ret
)");
#elif defined(__aarch64__)
__asm__(R"(
.text
.p2align 4
kb_switch_asm:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
)");
#else
#error "only x86-64 and aarch64 have a context switch"
#endif

namespace kb {
KB_RUNTIME static inline void to_fiber(Worker* w, Fiber* f)
{
    Fiber* me = w->running;
    w->running = f;
    w->switches++;
#if defined(KB_ASAN)
    const bool to_main = f == &w->main;
    __sanitizer_start_switch_fiber(&me->fake, to_main ? w->main_bottom : f->stack, to_main ? w->main_size : STACK);
    kb_switch(&me->sp, f->sp);
    const void* bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(me->fake, &bottom, &size);
#else
    kb_switch(&me->sp, f->sp);
#endif
}
KB_RUNTIME static void fiber_main()
{
    Worker* w = worker();
#if defined(KB_ASAN)
    const void* bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
    if (!w->main_bottom) {
        w->main_bottom = bottom;
        w->main_size = size;
    }
#endif
    w->runner(w);
    __builtin_trap();
}
KB_RUNTIME static Fiber* get_fiber(Worker* w)
{
    if (w->n_idle) return w->idle[--w->n_idle];
    const unsigned i = w->n_fibers++;
    Fiber* f = &w->fibers[i];
    char* slot = w->stacks + i * (STACK + STACK_GUARD);
    f->stack = slot + STACK_GUARD;
    if (i >= w->n_guarded) {  // stays so for later launches
        mprotect(slot, STACK_GUARD, PROT_NONE);
        w->n_guarded = i + 1;
    }
    char* top = f->stack + STACK - (i & 31) * 128;  // spread the tops over the cache sets
#if defined(__x86_64__)
    void** p = reinterpret_cast<void**>(top) - 8;  // at entry rsp = 8 mod 16
    p[6] = reinterpret_cast<void*>(&fiber_main);
    p[7] = nullptr;
#else
    void** p = reinterpret_cast<void**>(top) - 20;
    p[11] = reinterpret_cast<void*>(&fiber_main);  // x30
#endif
    f->sp = p;
    return f;
}
}  // namespace kb
