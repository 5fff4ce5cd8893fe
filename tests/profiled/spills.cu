// All 64 values are wanted after the barrier, in an order that is not that of their loads; two blocks of 1024 threads a
// multiprocessor leave 32 registers for a thread.
__global__ void __launch_bounds__(1024, 2) spills(float* y, const float* x)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x, step = gridDim.x * blockDim.x;
    float held[64];
#pragma unroll
    for (int k = 0; k < 64; ++k) held[k] = x[i + k * step];
    __syncthreads();
    float sum = 0.0f;
#pragma unroll
    for (int k = 0; k < 64; ++k) sum = sum * held[(k * 29 + 5) % 64] + held[k];
    y[i] = sum;
}
