// Every value is wanted after the barrier, so that all are held at once; launch bounds would spill them.
__global__ void limited_by_registers(float* y, const float* x)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x, step = gridDim.x * blockDim.x;
    float held[128];
#pragma unroll
    for (int k = 0; k < 128; ++k) held[k] = x[i + k * step];
    __syncthreads();
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < 128; ++k) sum = sum * held[(k * 29 + 5) % 128] + held[k];
    y[i] = sum;
}
