// Lane l of a warp reads row r + l of a matrix of 1024 columns: 32 sectors a request, 4 bytes used of each.
__global__ void uncoalesced(float* y, const float* x, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    const int columns = 1024, rows = n / columns;
    if (i < n) y[i] = x[(long long)(i % rows) * columns + i / rows];
}
