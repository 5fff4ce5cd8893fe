// y = x + 1, and what FAULT says: 1 stores far outside, 2 never ends, 3 is wrong at one place, 4 does not compile.

template <int FAULT>
__global__ void mixed(float* y, const float* x, int n)
{
    static_assert(FAULT != 4, "planted: this one does not compile");
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (FAULT == 1 && i == 0) y[1LL << 40] = 1.0f;
    if (FAULT == 2 && i == 0)
        while (*(volatile const float*)x >= 0.0f) {}
    if (i < n) y[i] = x[i] + (FAULT == 3 && i == 137 ? 2.0f : 1.0f);
}
