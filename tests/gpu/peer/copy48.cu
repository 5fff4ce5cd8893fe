// The kernel that every harness times: each thread copies VEC floats. VEC is a define, 1, 2 or 4.
#if VEC == 4
typedef float4 vector;
#elif VEC == 2
typedef float2 vector;
#else
typedef float vector;
#endif

extern "C" __global__ void copy48(float* dst, const float* src, long long n)
{
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n / VEC) reinterpret_cast<vector*>(dst)[i] = reinterpret_cast<const vector*>(src)[i];
}
