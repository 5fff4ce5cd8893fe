// 128 values are loaded before, and wanted after, a walk of 31 loads that wait for each other: so all are held during it,
// and few warps are there to wait at the same time. Launch bounds would spill them.
__global__ void limited_by_registers(float* y, const float* x, const int* next)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x, step = gridDim.x * blockDim.x;
    float held[128];
#pragma unroll
    for (int k = 0; k < 128; ++k) held[k] = x[i + k * step];
    __syncthreads();
    int at = i;
#pragma unroll 1
    for (int turn = 0; turn < 31; ++turn) at = next[at];
    __syncthreads();
    float sum = x[at];
#pragma unroll
    for (int k = 0; k < 128; ++k) sum = sum * held[(k * 29 + 5) % 128] + held[k];
    y[i] = sum;
}
