// Planted fault: four elements too many, which is 16 bytes past the end of y.
__global__ void past_the_end(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n + 4) y[i] = (i < n ? x[i] : 0.0f) + 1.0f;
}
