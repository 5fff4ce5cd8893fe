// Planted fault: element 137 is off by one.
__global__ void wrong_result(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] + (i == 137 ? 2.0f : 1.0f);
}
