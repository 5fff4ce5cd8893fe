// The one kernel of this folder without a fault: y = x + 1.
__global__ void good(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] + 1.0f;
}
