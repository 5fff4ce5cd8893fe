// Planted fault: a name that nobody declared.
__global__ void does_not_compile(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] + undeclared_offset;
}
