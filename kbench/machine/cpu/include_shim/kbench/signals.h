// Signal handlers that turn a bad address, an integer division by zero or a time-out into an error of the launch. They
// are installed only while a launch runs, act only on its workers, and pass everything else on to what was there before.
#pragma once
#include "scheduler.h"

namespace kb {
static char* library_base;  // load address, so that a program counter can be looked up in the file

KB_RUNTIME static void find_library_base()
{
#if defined(__linux__)
    struct Me {
        static int visit(dl_phdr_info* info, size_t, void*)
        {
            for (int k = 0; k < info->dlpi_phnum; ++k) {
                const auto& p = info->dlpi_phdr[k];
                char* low = (char*)info->dlpi_addr + p.p_vaddr;
                if (p.p_type == PT_LOAD && (char*)&library_base >= low && (char*)&library_base < low + p.p_memsz) {
                    library_base = (char*)info->dlpi_addr;
                    return 1;
                }
            }
            return 0;
        }
    };
    if (!library_base) dl_iterate_phdr(&Me::visit, nullptr);
#endif
}
#if !defined(KB_ASAN) && !defined(KB_TSAN)
static struct sigaction old_actions[32];
static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGUSR2};

static inline bool in_map(const char* a, const char* map) { return a >= map && a < map + ARENA + 2 * ARENA_GUARD; }

static void on_signal(int signal, siginfo_t* info, void* state)
{
    Worker* w = worker();
    if (w && w->active) {
        uint64_t pc = 0, address = (uint64_t)info->si_addr;
        int write = -1;
#if defined(__linux__) && defined(__x86_64__)
        pc = (uint64_t)((ucontext_t*)state)->uc_mcontext.gregs[REG_RIP];
        write = (int)(((ucontext_t*)state)->uc_mcontext.gregs[REG_ERR] >> 1 & 1);
#elif defined(__linux__) && defined(__aarch64__)
        pc = ((ucontext_t*)state)->uc_mcontext.pc;
#endif
        pc -= (uint64_t)library_base;
        const char* a = (const char*)address;
        const bool dynamic = in_map(a, w->dynamic_map);
        if (dynamic || in_map(a, w->static_map)) {
            char b[160];
            snprintf(b, sizeof b, "illegal %s of shared memory: %s, byte offset %ld%s", write > 0 ? "write" : "read",
                     dynamic ? "dynamic" : "static", (long)(a - (dynamic ? w->dynamic : w->static_top)),
                     dynamic ? "" : " from the end of the block's static shared memory");
            leave(w, E_FAULT, signal, 0, pc, b);
        }
        const bool fault = signal == SIGSEGV || signal == SIGBUS;
        const bool stack = fault && a >= w->stacks && a < w->stacks + MAX_THREADS * (STACK + STACK_GUARD);
        const char* message = signal == SIGUSR2 ? "the launch ran past its time limit (endless loop, or a wait for another thread or block)"
                            : signal == SIGFPE ? "integer division by zero"
                            : !fault ? "__trap() or unreachable code"
                            : stack ? "the thread's local memory (its stack here) overflowed"
                            : address == 0 && info->si_code != SEGV_MAPERR ? "misaligned 16-byte access (or a non-canonical address)"
                            : write > 0 ? "illegal memory write"
                            : write == 0 ? "illegal memory read" : "illegal memory access";
        if (fault && address < 4096 && info->si_code == SEGV_MAPERR) {
            message = write > 0 ? "illegal memory write through a null pointer" : "illegal memory read through a null pointer";
            address = 0;
        }
        const int code = signal == SIGUSR2 ? E_TIMEOUT : signal == SIGILL || signal == SIGTRAP ? E_TRAP : E_FAULT;
        leave(w, code, signal, fault && !stack ? address : 0, pc, message);
    }
    // keep_watch sent it while the kernel ran, and it arrives after the worker has left it: nobody else's business.
    if (signal == SIGUSR2 && info->si_pid == getpid()) return;
    struct sigaction* old = &old_actions[signal];
    if (old->sa_flags & SA_SIGINFO) {
        if (old->sa_sigaction) old->sa_sigaction(signal, info, state);
    } else if (old->sa_handler == SIG_DFL) {
        sigaction(signal, old, nullptr);
        raise(signal);
    } else if (old->sa_handler != SIG_IGN) old->sa_handler(signal);
}
static void catch_signals(bool on)  // launches of one process are serial: no count is kept
{
    for (int s : caught) {
        if (on) {
            struct sigaction action;
            memset(&action, 0, sizeof action);
            action.sa_sigaction = on_signal;
            action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
            sigaddset(&action.sa_mask, SIGUSR2);  // the next one must not interrupt the handler, and name it as the place
            sigaction(s, &action, &old_actions[s]);
        } else sigaction(s, &old_actions[s], nullptr);
    }
}
#else
static void catch_signals(bool) {}  // the sanitizers have their own
#endif
}  // namespace kb
