/* What NVIDIA's calculator says. Reads lines "major minor warps shared optin reserved threads registers static dynamic
   carveout" (carveout -1: none) and prints "blocks by_registers by_shared by_warps by_blocks limiters" for each. */
#include <stdio.h>
#include <cuda_occupancy.h>

int main(void)
{
    long major, minor, warps, shared, optin, reserved, threads, registers, fixed, dynamic, carveout;
    while (scanf("%ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld", &major, &minor, &warps, &shared, &optin, &reserved,
                 &threads, &registers, &fixed, &dynamic, &carveout) == 11) {
        cudaOccDeviceProp device = {0};
        cudaOccFuncAttributes function = {0};
        cudaOccDeviceState state = {0};
        cudaOccResult result = {0};
        device.computeMajor = (int)major;
        device.computeMinor = (int)minor;
        device.maxThreadsPerBlock = 1024;
        device.maxThreadsPerMultiprocessor = (int)warps * 32;
        device.regsPerBlock = device.regsPerMultiprocessor = 65536;
        device.warpSize = 32;
        device.sharedMemPerBlock = 48 * 1024;
        device.sharedMemPerMultiprocessor = (size_t)shared;
        device.numSms = 1;
        device.sharedMemPerBlockOptin = (size_t)optin;
        device.reservedSharedMemPerBlock = (size_t)reserved;
        function.maxThreadsPerBlock = 1024;
        function.numRegs = (int)registers;
        function.sharedSizeBytes = (size_t)fixed;
        function.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
        function.maxDynamicSharedSizeBytes = (size_t)dynamic;
        function.numBlockBarriers = 1;
        state.carveoutConfig = (int)carveout;
        cudaOccError error = cudaOccMaxActiveBlocksPerMultiprocessor(&result, &device, &function, &state, (int)threads,
                                                                    (size_t)dynamic);
        if (error != CUDA_OCC_SUCCESS) {
            printf("error %d\n", (int)error);
            continue;
        }
        printf("%d %d %d %d %d %u\n", result.activeBlocksPerMultiprocessor, result.blockLimitRegs,
               result.blockLimitSharedMem, result.blockLimitWarps, result.blockLimitBlocks, result.limitingFactors);
    }
    return 0;
}
