// One function a conversion or operation, all of one shape, so that two implementations can be compared value by value:
// n inputs of 32 bits (a float, a 16-bit pattern, or two of them), n outputs of 32 bits. The includer says whose they are.
template <class T> static inline uint32_t bits(T v)
{
    uint32_t u = 0;
    memcpy(&u, &v, sizeof v);
    return u;
}
template <class T> static inline T from(uint32_t u)
{
    T v;
    memcpy((void*)&v, &u, sizeof v);
    return v;
}
#define EACH(name, expression)                                                                                              \
    extern "C" __attribute__((visibility("default"))) void name(const uint32_t* in, uint64_t n, uint32_t* out)              \
    {                                                                                                                       \
        for (uint64_t i = 0; i < n; ++i) {                                                                                  \
            const uint32_t u = in[i];                                                                                       \
            out[i] = expression;                                                                                            \
        }                                                                                                                   \
    }
#define FLOAT from<float>(u)
EACH(float_to_half, bits(__float2half_rn(FLOAT)))
EACH(float_to_half_zero, bits(__float2half_rz(FLOAT)))
EACH(float_to_half_down, bits(__float2half_rd(FLOAT)))
EACH(float_to_half_up, bits(__float2half_ru(FLOAT)))
EACH(float_to_bfloat16, bits(__float2bfloat16_rn(FLOAT)))
EACH(float_to_bfloat16_zero, bits(__float2bfloat16_rz(FLOAT)))
EACH(float_to_e4m3, __nv_cvt_float_to_fp8(FLOAT, __NV_SATFINITE, __NV_E4M3))
EACH(float_to_e4m3_nosat, __nv_cvt_float_to_fp8(FLOAT, __NV_NOSAT, __NV_E4M3))
EACH(float_to_e5m2, __nv_cvt_float_to_fp8(FLOAT, __NV_SATFINITE, __NV_E5M2))
EACH(float_to_e5m2_nosat, __nv_cvt_float_to_fp8(FLOAT, __NV_NOSAT, __NV_E5M2))
EACH(float_to_e4m3_via_double, __nv_cvt_double_to_fp8(FLOAT * 1.0000001, __NV_SATFINITE, __NV_E4M3))
EACH(float_to_e5m2_via_double, __nv_cvt_double_to_fp8(FLOAT * 1.0000001, __NV_NOSAT, __NV_E5M2))
EACH(int_to_half, bits(__int2half_rn((int)u)))

EACH(half_to_float, bits(__half2float(from<__half>(u))))
EACH(half_to_e4m3, __nv_cvt_halfraw_to_fp8(from<__half_raw>(u), __NV_SATFINITE, __NV_E4M3))
EACH(half_to_e5m2, __nv_cvt_halfraw_to_fp8(from<__half_raw>(u), __NV_SATFINITE, __NV_E5M2))
EACH(bfloat16_to_float, bits(__bfloat162float(from<__nv_bfloat16>(u))))
EACH(bfloat16_to_e4m3, __nv_cvt_bfloat16raw_to_fp8(from<__nv_bfloat16_raw>(u), __NV_SATFINITE, __NV_E4M3))
EACH(bfloat16_to_e5m2_nosat, __nv_cvt_bfloat16raw_to_fp8(from<__nv_bfloat16_raw>(u), __NV_NOSAT, __NV_E5M2))
EACH(e4m3_to_half, bits(__half(__nv_cvt_fp8_to_halfraw((unsigned char)u, __NV_E4M3))))
EACH(e5m2_to_half, bits(__half(__nv_cvt_fp8_to_halfraw((unsigned char)u, __NV_E5M2))))
EACH(e4m3x2_to_half2, bits(__half2(__nv_cvt_fp8x2_to_halfraw2((unsigned short)u, __NV_E4M3))))

#define LEFT(T) from<T>(u & 0xffff)
#define RIGHT(T) from<T>(u >> 16)
#define OPERATIONS(T, name)                                                                                                 \
    EACH(name##_add, bits(__hadd(LEFT(T), RIGHT(T))))                                                                       \
    EACH(name##_sub, bits(__hsub(LEFT(T), RIGHT(T))))                                                                       \
    EACH(name##_mul, bits(__hmul(LEFT(T), RIGHT(T))))                                                                       \
    EACH(name##_div, bits(LEFT(T) / RIGHT(T)))
OPERATIONS(__half, half)
OPERATIONS(__nv_bfloat16, bfloat16)
