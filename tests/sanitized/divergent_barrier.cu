// Planted for synccheck: a barrier that only every other thread reaches; the others have left.
__global__ void divergent_barrier(float* y, const float* x, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] + 1.0f;
    if (threadIdx.x % 2 == 0) __syncthreads();
}
