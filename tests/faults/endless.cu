// Planted fault: block 3 waits for a value that nobody writes.
__global__ void endless(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (blockIdx.x == 3) {
        volatile const float* never = x;
        while (never[0] >= 0.0f) { }
    }
    if (i < n) y[i] = x[i] + 1.0f;
}
