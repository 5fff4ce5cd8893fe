// One launch: its blocks are handed out to worker threads, which are lent by the caller and reused by later launches.
#pragma once
#include "signals.h"

namespace kb {
static Worker* new_worker()
{
    const int map = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    Worker* w = (Worker*)calloc(1, sizeof(Worker));
    if (!w) return nullptr;
    w->stacks = (char*)mmap(nullptr, MAX_THREADS * (STACK + STACK_GUARD), PROT_READ | PROT_WRITE, map, -1, 0);
    w->signal_stack = (char*)malloc(65536);
    bool ok = w->stacks != MAP_FAILED && w->signal_stack;
    for (char** m : {&w->static_map, &w->dynamic_map}) {
        *m = (char*)mmap(nullptr, ARENA + 2 * ARENA_GUARD, PROT_NONE, map, -1, 0);
        ok = ok && *m != MAP_FAILED && !mprotect(*m + ARENA_GUARD, ARENA, PROT_READ | PROT_WRITE);
    }
    return ok ? w : nullptr;
}
static inline uint64_t now_ns()
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
KB_RUNTIME static void order_threads(Worker* w, const Launch* L)
{
    unsigned i = 0;
    for (unsigned z = 0; z < L->block[2]; ++z)
        for (unsigned y = 0; y < L->block[1]; ++y)
            for (unsigned x = 0; x < L->block[0]; ++x) w->index[i++] = uint3{x, y, z};
    for (i = 0; i < w->n; ++i) w->order[i] = (uint16_t)(L->order == 1 ? w->n - 1 - i : i);
    if (L->order != 2) return;
    uint64_t r = L->seed * 0x9E3779B97F4A7C15ull + 1 + (uint64_t)w->id;
    for (i = w->n - 1; i > 0; --i) {
        r ^= r << 13;
        r ^= r >> 7;
        r ^= r << 17;
        unsigned j = (unsigned)(r % (i + 1));
        uint16_t t = w->order[i];
        w->order[i] = w->order[j];
        w->order[j] = t;
    }
}
KB_RUNTIME static void prepare(Worker* w)
{
    Launch* L = w->launch;
    context.worker = w;
    context.block_dim = dim3(L->block[0], L->block[1], L->block[2]);
    context.grid_dim = dim3(L->grid[0], L->grid[1], L->grid[2]);
#if defined(KB_ASAN)
    free(w->dynamic);
    w->dynamic = nullptr;
    if (L->shared_bytes && posix_memalign((void**)&w->dynamic, 1024, L->shared_bytes)) abort();  // exact: ASan's own red zones
#else
    const size_t rounded = (L->shared_bytes + 15) & ~(size_t)15;
    w->dynamic = L->shared_bytes ? w->dynamic_map + ARENA_GUARD + ARENA - rounded : nullptr;  // ends at a guard page
#endif
    w->static_top = w->static_next = w->static_map + ARENA_GUARD + ARENA;
    memset(w->site_at, 0, sizeof w->site_at);
    w->static_used = 0;
    w->n = L->block[0] * L->block[1] * L->block[2];
    order_threads(w, L);
    w->n_fibers = w->n_idle = 0;  // all stacks start afresh
    w->switches = w->early = w->n_blocks = 0;
    for (Thread& t : w->threads) t.state = NEW;
    w->waiting = w->queue_len = 0;
    w->done = w->started = w->n;  // "block finished": the first stack fetches the first one
    w->running = &w->main;
}
#if defined(KB_TSAN)
// ThreadSanitizer reports no race with a thread that has ended: so nobody begins before all have been started, and nobody
// ends before all are through. Relaxed, because it must not order what the kernel does.
KB_RUNTIME static void meet(uint64_t* there, uint64_t all)
{
    __atomic_fetch_add(there, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(there, __ATOMIC_RELAXED) < all) sched_yield();
}
#endif
KB_RUNTIME static void work(Worker* w)
{
    prepare(w);
#if defined(KB_TSAN)
    w->main.tsan = __tsan_get_current_fiber();
    for (unsigned i = 0; i < w->n; ++i)
        if (!w->tsan_threads[i]) w->tsan_threads[i] = __tsan_create_fiber(0);
    __tsan_release(&w->batch->mutex);
    meet(&w->batch->begun, w->batch->n_workers);
    w->active = 1;
    tsan_next(w);  // back here when no block is left
    meet(&w->batch->through, w->batch->n_workers);
    __tsan_acquire(&w->tsan_end[0]);
    __tsan_acquire(&w->tsan_end[1]);
#elif defined(KB_ASAN)
    w->active = 1;
    to_fiber(w, get_fiber(w));
#else
    stack_t mine{}, old{};
    mine.ss_sp = w->signal_stack;
    mine.ss_size = 65536;
    sigaltstack(&mine, &old);
    if (sigsetjmp(w->escape, 1) == 0) {
        w->active = 1;
        to_fiber(w, get_fiber(w));
    }
    w->active = 0;
    sigaltstack(&old, nullptr);
#endif
    w->active = 0;
    __atomic_fetch_add(&w->launch->switches, w->switches, __ATOMIC_RELAXED);
    __atomic_fetch_add(&w->launch->early_exit_barriers, w->early, __ATOMIC_RELAXED);
    context.worker = nullptr;
}
static void* work_thread(void* p)
{
    Worker* w = (Worker*)p;
    Batch* batch = w->batch;
    work(w);
    pthread_mutex_lock(&batch->mutex);
    batch->ended++;
    pthread_cond_signal(&batch->wake);
    pthread_mutex_unlock(&batch->mutex);
    return nullptr;
}
// Wait until all workers are through; past the time limit, interrupt those that are inside the kernel, again and again.
static void keep_watch(Batch* batch, Worker** ws, pthread_t* threads, unsigned n, double timeout_s)
{
    timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    const uint64_t first = (uint64_t)until.tv_sec * 1000000000ull + (uint64_t)until.tv_nsec + (uint64_t)(timeout_s * 1e9);
    pthread_mutex_lock(&batch->mutex);
    for (uint64_t next = first; batch->ended < n;) {
        until.tv_sec = (time_t)(next / 1000000000ull);
        until.tv_nsec = (long)(next % 1000000000ull);
        if (pthread_cond_timedwait(&batch->wake, &batch->mutex, &until) == 0) continue;
        for (unsigned i = 0; i < n; ++i)
            if (ws[i]->active) pthread_kill(threads[i], SIGUSR2);
        next += 2000000;
    }
    pthread_mutex_unlock(&batch->mutex);
}
static const char* refusal(const Launch* L)
{
    const uint64_t n = (uint64_t)L->block[0] * L->block[1] * L->block[2];
    if (!n || n > MAX_THREADS || L->block[2] > 64) return "invalid block size (1 to 1024 threads, z at most 64)";
    if (!L->grid[0] || !L->grid[1] || !L->grid[2] || L->grid[0] > 0x7fffffffu || L->grid[1] > 65535 || L->grid[2] > 65535)
        return "invalid grid size (x at most 2^31-1, y and z at most 65535, none zero)";
    if (L->shared_bytes > 227 * 1024) return "more than 227 KiB of dynamic shared memory";
    return nullptr;
}
KB_RUNTIME static void permute_blocks(Batch* s, uint64_t seed)
{
    auto gcd = [](uint64_t a, uint64_t b) {
        while (b) {
            uint64_t t = a % b;
            a = b;
            b = t;
        }
        return a;
    };
    s->a = (seed * 2654435761u >> 16 & 0x7fff) | 1;  // 15 + 47 bits: no overflow
    s->b = (seed * 40503u + 7) & 0xffffff;
    while (gcd(s->a, s->n_blocks) != 1) s->a += 2;
}
KB_RUNTIME static int launch(Launch* L, void** args, void (*runner)(Worker*))
{
    memset(&L->error, 0, sizeof L->error);
    L->switches = L->early_exit_barriers = 0;
    L->static_shared_bytes = 0;
    if (const char* why = refusal(L)) {
        L->error.code = E_CONFIG;
        snprintf(L->error.message, sizeof L->error.message, "%s", why);
        return E_CONFIG;
    }
    find_library_base();
    Batch batch{};
    pthread_mutex_init(&batch.mutex, nullptr);
    pthread_cond_init(&batch.wake, nullptr);
    batch.n_blocks = (uint64_t)L->grid[0] * L->grid[1] * L->grid[2];
    permute_blocks(&batch, L->seed);
    unsigned n = L->workers;
    if (n > batch.n_blocks) n = (unsigned)batch.n_blocks;
    batch.n_workers = n;
    for (unsigned i = 0; i < n; ++i) {
        Worker* w = L->pool[i];
        w->launch = L;
        w->args = args;
        w->runner = runner;
        w->batch = &batch;
        w->id = (int)i;
    }
    pthread_t threads[64];
    catch_signals(true);
    const uint64_t start = now_ns();
    const bool watch = L->timeout_s > 0;
    const unsigned first = watch ? 0 : 1;  // worker 0 is this thread, unless it must keep watch
    for (unsigned i = first; i < n; ++i)
        if (pthread_create(&threads[i], nullptr, work_thread, L->pool[i])) n = i;  // no more to be had: fewer will do
#if defined(KB_TSAN)
    if (n != batch.n_workers) abort();  // there the blocks are dealt out already
#endif
    if (!n) {
        L->error.code = E_CONFIG;
        snprintf(L->error.message, sizeof L->error.message, "the system lets this process start no thread");
    } else if (watch) keep_watch(&batch, L->pool, threads, n, L->timeout_s);
    else work(L->pool[0]);
    for (unsigned i = first; i < n; ++i) pthread_join(threads[i], nullptr);
    L->ns = now_ns() - start;
    catch_signals(false);
    return L->error.code;
}
}  // namespace kb
