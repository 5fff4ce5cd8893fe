// Copies n bytes, whatever the destination holds.
extern "C" __global__ void copy_bytes(unsigned char* o, const unsigned char* x, int n)
{
    if (threadIdx.x < n) o[threadIdx.x] = x[threadIdx.x];
}
