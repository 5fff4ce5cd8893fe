// Planted for memcheck: the last thread writes one element past the end.
__global__ void out_of_bounds(float* y, const float* x, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= n) y[i] = (i < n ? x[i] : 0.0f) + 1.0f;
}
