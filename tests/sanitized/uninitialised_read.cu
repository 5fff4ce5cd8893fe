// Planted for initcheck: adds to an output that nobody has written.
__global__ void uninitialised_read(float* y, const float* x, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] += x[i];
}
