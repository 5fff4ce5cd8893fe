// Where the threads of a block stand that wait for one another, in words.
#pragma once
#include "errors.h"

namespace kb {
// Two barriers may stand on one line: then the site tells them apart.
KB_RUNTIME static inline bool same_place(const Thread& a, const Thread& b)
{
    return a.line == b.line && a.file == b.file && (a.state != AT_BARRIER || a.site == b.site);
}
// Whether a thread before t stands at another barrier of the same line.
KB_COLD KB_RUNTIME static bool other_on_line(const Worker* w, unsigned t)
{
    const Thread& T = w->threads[t];
    for (unsigned i = 0; i < t; ++i) {
        const Thread& I = w->threads[i];
        if (I.state == AT_BARRIER && I.line == T.line && I.file == T.file && I.site != T.site) return true;
    }
    return false;
}
// An error that names every set of threads that stands at one place.
KB_COLD KB_RUNTIME static void fail_stuck(Worker* w, int code, const char* head)
{
    char b[1000];
    int k = snprintf(b, sizeof b, "%s:", head);
    for (unsigned i = w->started; i < w->n; ++i) w->threads[w->order[i]].state = NEW;
    uint8_t seen[MAX_THREADS];
    memset(seen, 0, sizeof seen);
    for (unsigned t = 0, groups = 0; t < w->n && k < 800; ++t) {
        const Thread& T = w->threads[t];
        if (seen[t] || (T.state != AT_BARRIER && T.state != AT_WARP && T.state != DONE)) continue;
        if (++groups > 5) {
            k += snprintf(b + k, sizeof b - (size_t)k, " ...");
            break;
        }
        unsigned count = 0, last = t;
        for (unsigned j = t; j < w->n; ++j) {
            const Thread& J = w->threads[j];
            if (J.state == T.state && (T.state == DONE || same_place(J, T))) seen[j] = 1, last = j, ++count;
        }
        k += snprintf(b + k, sizeof b - (size_t)k, "%s %u thread%s (%u%s%u)", groups > 1 ? ";" : "", count, count == 1 ? "" : "s",
                      t, count == last - t + 1 ? "-" : "..", last);
        if (T.state == DONE) {
            // Its file may be that of an earlier launch, from a library that is gone: not to be looked at.
            k += snprintf(b + k, sizeof b - (size_t)k, " exited");
            continue;
        }
        const char* file = T.file ? strrchr(T.file, '/') : nullptr;
        file = file ? file + 1 : T.file;
        if (T.state == AT_BARRIER)
            k += snprintf(b + k, sizeof b - (size_t)k, " at %s__syncthreads %s:%d", other_on_line(w, t) ? "another " : "", file, T.line);
        else k += snprintf(b + k, sizeof b - (size_t)k, " at a warp operation %s:%d, mask 0x%08x", file, T.line, T.mask);
    }
    leave(w, code, 0, 0, 0, b);
}
}  // namespace kb
