__global__ void divergence(float* y, const float* x, float factor, int n)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float value = x[i];
#pragma unroll 1
    for (int turn = 0; turn < 16 << (i % 8); ++turn) value = value * factor + 1.0f;
    y[i] = value;
}
