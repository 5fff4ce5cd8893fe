// Planted fault: one store a terabyte in front of y.
__global__ void wild_address(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i == 200 ? i - (1LL << 38) : i] = x[i] + 1.0f;
}
