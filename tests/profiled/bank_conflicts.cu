// Reads of a column of a 32 x 32 tile: every lane's word lies in one bank. Each lane sums up a row twice.
__global__ void bank_conflicts(float* y, const float* x, int n)
{
    __shared__ float tile[32 * 32];
    const int first = blockIdx.x * 32 * 32, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (int i = threadIdx.x; i < 32 * 32; i += blockDim.x) tile[i] = first + i < n ? x[first + i] : 0.0f;
    __syncthreads();
    float sum = 0.0f;
#pragma unroll 1
    for (int turn = 0; turn < 2; ++turn)
#pragma unroll 8
        for (int column = 0; column < 32; ++column) sum += tile[lane * 32 + (column + warp) % 32];
    y[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
