// The part of cooperative groups that needs no other block: the thread block and its tiles of at most one warp.
// Grid, cluster, multi-device and coalesced groups are left out: using one is a compile error.
#pragma once
#include "kbench_cpu.h"

namespace cooperative_groups {
class thread_block {
public:
    static void sync(KB_HERE) { ::kb::barrier(0, 0, kb_file, kb_line); }
    static unsigned thread_rank() { return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x; }
    static unsigned num_threads() { return blockDim.x * blockDim.y * blockDim.z; }
    static unsigned size() { return num_threads(); }
    static dim3 group_index() { return dim3(blockIdx.x, blockIdx.y, blockIdx.z); }
    static dim3 thread_index() { return dim3(threadIdx.x, threadIdx.y, threadIdx.z); }
    static dim3 dim_threads() { return blockDim; }
};
static inline thread_block this_thread_block() { return {}; }

template <unsigned N, class Parent = thread_block> class thread_block_tile {
    static_assert(N >= 1 && N <= 32 && (N & (N - 1)) == 0, "the cpu device has tiles of 1, 2, 4, 8, 16 or 32 threads");
    static unsigned mask() { return (N == 32 ? ~0u : (1u << (N & 31)) - 1) << (thread_block::thread_rank() & 31 & ~(N - 1)); }

public:
    static unsigned thread_rank() { return thread_block::thread_rank() % N; }
    static constexpr unsigned num_threads() { return N; }
    static constexpr unsigned size() { return N; }
    static unsigned meta_group_rank() { return thread_block::thread_rank() / N; }
    static unsigned meta_group_size() { return (thread_block::num_threads() + N - 1) / N; }
    void sync(KB_HERE) const { __syncwarp(mask(), kb_file, kb_line); }
    template <class T> T shfl(T v, int source, KB_HERE) const { return __shfl_sync(mask(), v, source, N, kb_file, kb_line); }
    template <class T> T shfl_up(T v, unsigned d, KB_HERE) const { return __shfl_up_sync(mask(), v, d, N, kb_file, kb_line); }
    template <class T> T shfl_down(T v, unsigned d, KB_HERE) const { return __shfl_down_sync(mask(), v, d, N, kb_file, kb_line); }
    template <class T> T shfl_xor(T v, unsigned x, KB_HERE) const { return __shfl_xor_sync(mask(), v, (int)x, N, kb_file, kb_line); }
    int any(int p, KB_HERE) const { return __any_sync(mask(), p, kb_file, kb_line); }
    int all(int p, KB_HERE) const { return __all_sync(mask(), p, kb_file, kb_line); }
    unsigned ballot(int p, KB_HERE) const { return own(__ballot_sync(mask(), p, kb_file, kb_line)); }
    template <class T> unsigned match_any(T v, KB_HERE) const { return own(__match_any_sync(mask(), v, kb_file, kb_line)); }

private:
    static unsigned own(unsigned lanes) { return (lanes & mask()) >> (thread_block::thread_rank() & 31 & ~(N - 1)); }
};
template <unsigned N, class Parent> thread_block_tile<N, Parent> tiled_partition(const Parent&) { return {}; }
template <class Group> void sync(const Group& group, KB_HERE) { group.sync(kb_file, kb_line); }
}  // namespace cooperative_groups
