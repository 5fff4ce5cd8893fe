// Static shared memory lies in a per-worker arena that ends at a guard page; after each variable comes a red zone
// (checked at the end of every block) or the guard page itself. Before a block it is filled with 0xff: what nobody
// wrote reads as NaN.
#pragma once
#include "errors.h"

namespace kb {
static unsigned shared_sites;  // how many __shared__ variables were met so far

KB_RUNTIME static void fill(char* p, int value, size_t n)
{
#if defined(KB_TSAN)  // memset() is intercepted and would count as the thread's own write
    for (size_t i = 0; i < n; ++i) ((volatile char*)p)[i] = (char)value;
#else
    memset(p, value, n);
#endif
}
KB_COLD KB_RUNTIME static char* shared_new(Worker* w, unsigned* site, size_t size, size_t align, const char* name)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    if (!*site) *site = ++shared_sites;
    pthread_mutex_unlock(&mutex);
    const unsigned i = *site;
    if (i >= MAX_SITES) leave(w, E_CONFIG, 0, 0, 0, "more than 255 __shared__ variables in one kernel");
    char* p = w->site_at[i];
    if (p) return p;
    w->static_used = ((w->static_used + align - 1) & ~(align - 1)) + size;
    if (w->id == 0) w->launch->static_shared_bytes = (uint32_t)w->static_used;
    if (w->static_used > STATIC_MAX) leave(w, E_CONFIG, 0, 0, 0, "more than 48 KiB of static shared memory");
#if defined(KB_ASAN)
    if (posix_memalign((void**)&p, align < 64 ? 64 : align, size)) abort();  // exact size: ASan's own red zones
#else
    char* end = w->static_next;
    p = (char*)((uintptr_t)(end - (end == w->static_top ? 0 : RED_ZONE) - size) & ~(uintptr_t)(align - 1));
    fill(p + size, 0xcb, (size_t)(end - p) - size);
    w->static_next = p;
#endif
    if (w->launch->poison) fill(p, 0xff, size);
    w->site_at[i] = p;
    w->site_size[i] = (uint32_t)size;
    w->site_name[i] = name;
    return p;
}
KB_RUNTIME static inline void* shared_at(unsigned* site, size_t size, size_t align, const char* name)
{
    Worker* w = worker();
    char* p = w->site_at[*site & (MAX_SITES - 1)];
    return KB_LIKELY(p != nullptr) ? p : shared_new(w, site, size, align, name);  // site 0 is never set
}
KB_RUNTIME static void check_red_zones(Worker* w)
{
    for (unsigned i = 1; i <= shared_sites && i < MAX_SITES; ++i) {
        char* end = w->site_at[i];
        if (!end) continue;
        end += w->site_size[i];
        const size_t n = end + RED_ZONE < w->static_top ? RED_ZONE : (size_t)(w->static_top - end);
        for (size_t k = 0; k < n; ++k)
            if ((unsigned char)end[k] != 0xcb) {
                char b[200];
                snprintf(b, sizeof b, "a thread of this block wrote %zu bytes past the end of __shared__ %s (%u bytes)", k,
                         w->site_name[i], w->site_size[i]);
                leave(w, E_FAULT, 0, 0, 0, b);
            }
    }
}
KB_RUNTIME static void poison_shared(Worker* w)
{
    if (w->dynamic) fill(w->dynamic, 0xff, w->launch->shared_bytes);
    for (unsigned i = 1; i <= shared_sites && i < MAX_SITES; ++i)
        if (w->site_at[i]) fill(w->site_at[i], 0xff, w->site_size[i]);
}
}  // namespace kb
