// Planted for synccheck: a barrier that only every other thread of a warp reaches.
__global__ void divergent_barrier(float* y, const float* x, int n)
{
    __shared__ volatile float kept[256]; // without use of it the barrier would be none: compilers drop a last one
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    kept[threadIdx.x] = x[i] + 1.0f;
    if (threadIdx.x % 2 == 0) __syncthreads();
    y[i] = kept[threadIdx.x];
}
