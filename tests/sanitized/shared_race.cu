// Planted for racecheck: no barrier between the write of a word and another thread's read of it.
__global__ void shared_race(float* y, const float* x, int n)
{
    __shared__ float tile[256];
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    tile[threadIdx.x] = i < n ? x[i] : 0.0f;
    if (i < n) y[i] = tile[threadIdx.x ^ 32] + 1.0f;
}
