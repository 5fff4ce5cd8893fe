// The runtime's data: a launch (shared with Python), the worker threads that run its blocks, their CUDA threads.
#pragma once
#include "keywords.h"
#include "vectors.h"

namespace kb {
enum Code { OK, E_FAULT, E_BARRIER, E_DEADLOCK, E_UB, E_ASSERT, E_TIMEOUT, E_CONFIG, E_WARP, E_TRAP };
struct Error {
    int32_t code, signal;
    uint64_t address, pc;  // faulting address; program counter as an offset in this library
    uint32_t block[3], thread[3];
    char message[1024];
};
struct Worker;
struct Launch {  // mirrored by a ctypes.Structure in launch.py
    uint32_t grid[3], block[3];
    uint32_t shared_bytes, workers, order, strict, poison;  // order: 0 forward, 1 reverse, 2 random
    uint64_t seed;
    double timeout_s;
    Worker** pool;  // one for each worker, lent by Python
    Error error;
    uint64_t ns, switches, early_exit_barriers;  // results
    uint32_t static_shared_bytes;
};

enum State : uint8_t { NEW, READY, AT_BARRIER, AT_WARP, DONE };
enum Op : uint8_t { OP_SYNC, OP_SHFL, OP_BALLOT, OP_MATCH, OP_ADD, OP_MIN, OP_MAX, OP_AND, OP_OR, OP_XOR, OP_MINS, OP_MAXS };
struct Fiber {  // a stack to run CUDA threads on
    void* sp;
    char* stack;
    void *fake, *tsan;  // what the sanitizers keep for it
};
struct Thread {
    Fiber* fiber;
    uint64_t in, out;             // a warp operation's operand and result
    uint32_t mask;
    int32_t source, line, pred;   // shuffle: source lane; barrier: predicate
    const char* file;
    uint32_t site, barriers;      // which __syncthreads() of the source, 0 if unknown; how many it has taken part in
    uint8_t state, op;
};
struct Batch;  // one launch, as all its workers see it

constexpr unsigned MAX_THREADS = 1024, MAX_SITES = 256;
#if defined(KB_ASAN) || defined(KB_TSAN)
constexpr size_t STACK = 262144;  // their frames are larger
#else
constexpr size_t STACK = 65536;
#endif
constexpr size_t STACK_GUARD = 16384;  // the largest page size of the hosts we run on
constexpr size_t STATIC_MAX = 48 * 1024, ARENA = 256 * 1024, ARENA_GUARD = 256 * 1024, RED_ZONE = 64;

struct Worker {
    Launch* launch;
    void** args;
    void (*runner)(Worker*);
    Batch* batch;
    int id;
    // threads of the current block
    unsigned n, started, done, waiting, cur;
    unsigned queue_head, queue_len;  // ready queue (a ring)
    uint16_t queue[MAX_THREADS], order[MAX_THREADS];
    uint3 index[MAX_THREADS];
    Thread threads[MAX_THREADS];
    uint32_t warp_done[32], warp_waiting[32];
    int reduced[3];  // __syncthreads_count / and / or
    // stacks
    Fiber *running, *idle[MAX_THREADS], fibers[MAX_THREADS], main;
    unsigned n_idle, n_fibers, n_guarded;
    char *stacks, *signal_stack;
    const void* main_bottom;
    size_t main_size;
    // shared memory: the static arena is filled from its top, dynamic memory ends at its arena's top
    char *static_map, *static_top, *static_next, *dynamic_map, *dynamic;
    size_t static_used;
    char* site_at[MAX_SITES];
    uint32_t site_size[MAX_SITES];
    const char* site_name[MAX_SITES];
    // errors
    volatile int active;
    sigjmp_buf escape;
    uint64_t switches, early;
    // ThreadSanitizer: a fiber of its own for each thread, and addresses that stand for happens-before edges
    void* tsan_threads[MAX_THREADS];
    uint64_t n_blocks, barrier_generation;
    char tsan_end[2], tsan_barrier[2], tsan_warp[MAX_THREADS][2];
    uint8_t warp_generation[MAX_THREADS];
};
struct Batch {
    uint64_t next_block, n_blocks, n_workers;
    int stop;         // an error: hand out no more blocks
    uint64_t a, b;    // affine permutation of the blocks
    unsigned ended;   // workers that are through
    uint64_t begun, through;  // of ThreadSanitizer's workers, see meet()
    pthread_mutex_t mutex;
    pthread_cond_t wake;
};
struct Context {  // threadIdx and its like, of the CUDA thread that this worker runs now
    uint3 thread, block;
    dim3 block_dim, grid_dim;
    Worker* worker;
};
static thread_local Context context;
KB_RUNTIME static inline Worker* worker() { return context.worker; }
KB_RUNTIME static inline void* dynamic_shared() { return worker()->dynamic; }
}  // namespace kb
#define threadIdx ::kb::context.thread
#define blockIdx ::kb::context.block
#define blockDim ::kb::context.block_dim
#define gridDim ::kb::context.grid_dim
