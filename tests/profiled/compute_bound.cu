__global__ void compute_bound(float* y, const float* x, float factor, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float chain[8];
#pragma unroll
    for (int k = 0; k < 8; ++k) chain[k] = x[i] + k;
#pragma unroll 16
    for (int turn = 0; turn < 512; ++turn)
#pragma unroll
        for (int k = 0; k < 8; ++k) chain[k] = chain[k] * factor + 1.0f;
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < 8; ++k) sum += chain[k];
    y[i] = sum;
}
