// Which CUDA thread of a block runs next: barriers, warp operations, the end of threads and blocks. Everything a block
// can do wrong while its threads wait for one another is found here, and told in stuck.h.
#pragma once
#include "fibers.h"
#include "shared_memory.h"
#include "stuck.h"

namespace kb {
KB_RUNTIME static inline void set_current(Worker* w, unsigned t)
{
    w->cur = t;
    context.thread = w->index[t];
#if defined(KB_TSAN)
    __tsan_switch_to_fiber(w->tsan_threads[t], __tsan_switch_to_fiber_no_sync);
#endif
}
KB_RUNTIME static inline void make_ready(Worker* w, unsigned t)
{
    w->threads[t].state = READY;
    w->queue[(w->queue_head + w->queue_len++) & (MAX_THREADS - 1)] = (uint16_t)t;
}
KB_RUNTIME static inline unsigned pop_ready(Worker* w)
{
    unsigned t = w->queue[w->queue_head];
    w->queue_head = (w->queue_head + 1) & (MAX_THREADS - 1);
    w->queue_len--;
    return t;
}
// ------------------------------------------------------------ barriers
KB_RUNTIME static void release_barrier(Worker* w)
{
    int count = 0, first = -1;
    bool differ = false;
    for (unsigned t = 0; t < w->n; ++t) {
        const Thread& T = w->threads[t];
        if (T.state != AT_BARRIER) continue;
        if (first < 0) first = (int)t;
        else if (!same_place(T, w->threads[first])) differ = true;
        count += T.pred != 0;
    }
    if (differ) fail_stuck(w, E_BARRIER, "divergent __syncthreads()");
    if (w->done) {  // exited threads count as arrived, like on sm_70 and later
        w->early++;
#if defined(KB_CHECK)
        // Returning before the first barrier is a guard (`if (i >= n) return;`); leaving between two is a loop or a
        // branch that not all threads take alike, which CUDA does not allow around a barrier.
        for (unsigned t = 0; t < w->n; ++t)
            if (w->threads[t].state == DONE && w->threads[t].barriers)
                fail_stuck(w, E_BARRIER, "__syncthreads() not reached by threads that took part in an earlier one");
#endif
        if (w->launch->strict) fail_stuck(w, E_BARRIER, "__syncthreads() not reached by every thread of the block");
    }
    w->reduced[0] = count;
    w->reduced[1] = count == (int)w->waiting;
    w->reduced[2] = count > 0;
    w->waiting = 0;
    w->barrier_generation++;
    for (unsigned i = 0; i < w->n; ++i) {
        unsigned t = w->order[i];
        if (w->threads[t].state == AT_BARRIER && t != w->cur) make_ready(w, t);
    }
    if (w->threads[w->cur].state == AT_BARRIER) w->threads[w->cur].state = READY;
}

// ------------------------------------------------------------ warp operations
KB_RUNTIME static inline uint64_t reduce(uint8_t op, uint64_t a, uint64_t b)
{
    switch (op) {
    case OP_ADD: return (uint32_t)(a + b);
    case OP_MIN: return b < a ? b : a;
    case OP_MAX: return b > a ? b : a;
    case OP_MINS: return (int64_t)b < (int64_t)a ? b : a;
    case OP_MAXS: return (int64_t)b > (int64_t)a ? b : a;
    case OP_AND: return a & b;
    case OP_OR: return a | b;
    default: return a ^ b;
    }
}
// All lanes of `group` have arrived: compute every lane's result.
KB_RUNTIME static void complete_warp(Worker* w, unsigned base, uint32_t group)
{
    Thread* T = w->threads + base;
    const unsigned l0 = (unsigned)__builtin_ctz(group);
    const uint8_t op = T[l0].op;
    uint32_t ballot = 0;
    for (uint32_t m = group; m; m &= m - 1) {
        unsigned l = (unsigned)__builtin_ctz(m);
        if (T[l].op != op) fail_stuck(w, E_WARP, "different warp operations under one mask");
        if (T[l].in) ballot |= 1u << l;
    }
#if defined(KB_CHECK)
    // Every lane that the mask names must take part unless it has exited before. That the last lanes did is a guard
    // (`if (i >= n) return;`, or a block that ends in mid-warp); others went around the shuffle, and on a GPU may not
    // have exited yet.
    const uint32_t below = ~0u >> __builtin_clz(group);
    if (op == OP_SHFL && T[l0].mask & w->warp_done[base >> 5] & below)
        fail_stuck(w, E_WARP, "a shuffle whose mask names lanes that have exited without taking part");
#endif
    uint64_t total = T[l0].in;
    if (op >= OP_ADD)
        for (uint32_t m = group & (group - 1); m; m &= m - 1) total = reduce(op, total, T[__builtin_ctz(m)].in);
    for (uint32_t m = group; m; m &= m - 1) {
        unsigned l = (unsigned)__builtin_ctz(m);
        switch (op) {
        case OP_SYNC: break;
        case OP_SHFL:
            if (group >> T[l].source & 1) T[l].out = T[T[l].source].in;
            else if (w->launch->strict) fail_stuck(w, E_WARP, "__shfl reads a lane that does not take part");
            else T[l].out = ~0ull;  // undefined on a GPU: poison
            break;
        case OP_BALLOT: T[l].out = ballot; break;
        case OP_MATCH: {
            uint32_t equal = 0;
            for (uint32_t k = group; k; k &= k - 1) {
                unsigned j = (unsigned)__builtin_ctz(k);
                if (T[j].in == T[l].in) equal |= 1u << j;
            }
            T[l].out = equal;
            break;
        }
        default: T[l].out = total;
        }
    }
    w->warp_waiting[base >> 5] &= ~group;
    w->warp_generation[base + (unsigned)__builtin_ctz(T[l0].mask)]++;
    for (uint32_t m = group; m; m &= m - 1) {
        unsigned t = base + (unsigned)__builtin_ctz(m);
        if (t != w->cur) make_ready(w, t);
        else T[t - base].state = READY;
    }
}
// May the waiting lanes that share lane l's mask go on?
KB_RUNTIME static bool try_warp(Worker* w, unsigned base, unsigned l)
{
    const uint32_t need = w->threads[base + l].mask & ~w->warp_done[base >> 5], waiting = w->warp_waiting[base >> 5];
    if ((need & waiting) != need) return false;
    for (uint32_t m = need; m; m &= m - 1)
        if (w->threads[base + (unsigned)__builtin_ctz(m)].mask != w->threads[base + l].mask) return false;
    complete_warp(w, base, need);
    return true;
}

// ------------------------------------------------------------ threads and blocks
KB_RUNTIME static inline void exit_thread(Worker* w, unsigned t)
{
    w->done++;
    const unsigned warp = t >> 5;
    w->warp_done[warp] |= 1u << (t & 31);
    w->threads[t].state = DONE;
    if (!KB_LIKELY(w->warp_waiting[warp] == 0)) {
        for (uint32_t m = w->warp_waiting[warp]; m; m &= m - 1)
            if (try_warp(w, warp << 5, (unsigned)__builtin_ctz(m))) break;
    }
    if (!KB_LIKELY(w->waiting == 0) && w->waiting + w->done == w->n) release_barrier(w);
}
KB_RUNTIME static bool next_block(Worker* w)
{
    Batch* batch = w->batch;
    Launch* L = w->launch;
#if !defined(KB_ASAN)
    if (w->static_next != w->static_top) check_red_zones(w);
#endif
    if (__atomic_load_n(&batch->stop, __ATOMIC_RELAXED)) return false;
#if defined(KB_TSAN)  // dealt out in turn, so that neighbours never fall to one worker, whose blocks are ordered
    uint64_t b = w->n_blocks * batch->n_workers + (uint64_t)w->id;
#else
    uint64_t b = __atomic_fetch_add(&batch->next_block, 1, __ATOMIC_RELAXED);
#endif
    if (b >= batch->n_blocks) return false;
    if (L->order == 1) b = batch->n_blocks - 1 - b;
    else if (L->order == 2) b = (b * batch->a + batch->b) % batch->n_blocks;
    context.block.x = (unsigned)(b % L->grid[0]);
    context.block.y = (unsigned)(b / L->grid[0] % L->grid[1]);
    context.block.z = (unsigned)(b / L->grid[0] / L->grid[1]);
    w->started = w->done = w->waiting = w->queue_head = w->queue_len = 0;
    w->n_blocks++;
    for (unsigned i = 0; i < (w->n + 31) / 32; ++i) w->warp_done[i] = w->warp_waiting[i] = 0;
    if (w->n & 31) w->warp_done[w->n >> 5] = ~0u << (w->n & 31);  // lanes that do not exist
    if (L->poison) poison_shared(w);
    return true;
}
KB_RUNTIME static void resume_ready(Worker* w)
{
    const unsigned t = pop_ready(w);
    set_current(w, t);
    if (w->threads[t].fiber != w->running) to_fiber(w, w->threads[t].fiber);
}
#if defined(KB_TSAN)
// Under ThreadSanitizer every CUDA thread has a stack and a sanitizer fiber of its own.
KB_RUNTIME static void tsan_next(Worker* w)
{
    for (;;) {
        if (w->queue_len) return resume_ready(w);
        if (w->started < w->n) {
            const unsigned t = w->order[w->started++];
            while (w->n_fibers < w->n) get_fiber(w);
            w->threads[t].state = READY;
            w->threads[t].barriers = 0;
            w->threads[t].fiber = &w->fibers[t];
            set_current(w, t);
            if (w->running != &w->fibers[t]) to_fiber(w, &w->fibers[t]);
            return;
        }
        if (w->done != w->n) fail_stuck(w, E_DEADLOCK, "deadlock");
        if (!next_block(w)) {
            __tsan_switch_to_fiber(w->main.tsan, __tsan_switch_to_fiber_no_sync);
            if (w->running != &w->main) to_fiber(w, &w->main);
            return;
        }
    }
}
#endif
// Park the current thread and run something else until it is ready again.
KB_RUNTIME static void park_current(Worker* w)
{
    w->threads[w->cur].fiber = w->running;
#if defined(KB_TSAN)
    tsan_next(w);
#else
    if (w->queue_len) resume_ready(w);
    else if (w->started < w->n) to_fiber(w, get_fiber(w));
    else fail_stuck(w, E_DEADLOCK, "deadlock");
#endif
}
KB_RUNTIME static int barrier(int pred, int which, const char* file, int line, unsigned site = 0)
{
    Worker* w = worker();
    Thread& T = w->threads[w->cur];
    T.pred = pred;
    T.site = site;
    T.barriers++;
    T.file = file;
    T.line = line;
    T.state = AT_BARRIER;
#if defined(KB_TSAN)
    char* const sync = &w->tsan_barrier[w->barrier_generation & 1];  // two in turn: the next barrier's arrivals are not this one's
    __tsan_release(sync);
#endif
    if (++w->waiting + w->done == w->n) release_barrier(w);
    else park_current(w);
#if defined(KB_TSAN)
    __tsan_acquire(sync);
#endif
    return w->reduced[which];
}
KB_RUNTIME static uint64_t warp_op(uint32_t mask, uint8_t op, uint64_t value, int source, const char* file, int line)
{
    Worker* w = worker();
    const unsigned t = w->cur, l = t & 31, base = t & ~31u;
    Thread& T = w->threads[t];
    T.mask = mask;
    T.op = op;
    T.in = value;
    T.source = source;
    T.file = file;
    T.line = line;
    T.state = AT_WARP;
    if (!(mask >> l & 1)) fail_stuck(w, E_WARP, "a lane calls a warp operation whose mask does not name it");
    w->warp_waiting[base >> 5] |= 1u << l;
#if defined(KB_TSAN)
    const unsigned key = base + (unsigned)__builtin_ctz(mask);
    char* const sync = &w->tsan_warp[key][w->warp_generation[key] & 1];
    if (op == OP_SYNC) __tsan_release(sync);
#endif
    if (!try_warp(w, base, l)) park_current(w);
#if defined(KB_TSAN)
    if (op == OP_SYNC) __tsan_acquire(sync);
#endif
    return T.out;
}

// What every stack runs: threads of the current block, then the next block, until there is none.
template <class Kernel> KB_RUNTIME static void run_threads(Worker* w)
{
#if defined(KB_TSAN)
    for (;;) {
        __tsan_acquire(&w->batch->mutex);                   // the launch happens before every thread
        __tsan_acquire(&w->tsan_end[~w->n_blocks & 1]);     // blocks of one worker are ordered: they reuse __shared__
        Kernel::call(w->args);
        __tsan_release(&w->tsan_end[w->n_blocks & 1]);
        exit_thread(w, w->cur);
        tsan_next(w);
    }
#endif
    for (;;) {
        if (w->queue_len) {  // wake a thread that waits on another stack; this one is free
            w->idle[w->n_idle++] = w->running;
            resume_ready(w);
        } else if (w->started < w->n) {
            const unsigned t = w->order[w->started++];
            w->threads[t].state = READY;
            w->threads[t].barriers = 0;
            set_current(w, t);
            Kernel::call(w->args);
            exit_thread(w, w->cur);
        } else if (w->done == w->n) {
            if (!next_block(w)) {
                w->idle[w->n_idle++] = w->running;
                to_fiber(w, &w->main);
            }
        } else fail_stuck(w, E_DEADLOCK, "deadlock");
    }
}
}  // namespace kb
