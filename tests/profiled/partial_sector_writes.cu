// Neighbouring threads write to places far from each other, so that a sector's other 28 bytes come from DRAM and go back.
__global__ void partial_sector_writes(float* y, const float* x, const int* to, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[to[i]] = x[i];
}
