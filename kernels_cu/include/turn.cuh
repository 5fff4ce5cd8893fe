// Turning a tile in shared memory with 16-byte accesses on both sides.
//
// A tile row is a run of 16-byte chunks. Writing whole rows is free of bank conflicts as it stands; reading columns is not, and a
// padding column would break the 16-byte alignment. So the chunks of a row swap places instead.
//
// swizzle   where a chunk lies in its row
// turn      words taken down a column become one output vector for each element of a word
#pragma once

// place: what sets this row apart from the rows that one warp reads at the same time. Chunks change places within eight (128
// bytes, all 32 banks), so a row is a multiple of eight chunks.
__device__ __forceinline__ int swizzle(int chunk, int place) { return chunk ^ (place & 7); }

// word[i] holds the neighbouring elements of row i, one of four bytes or two of two; out[j] gets element j of all rows in order.
__device__ __forceinline__ void turn(const unsigned (&word)[4], uint4 (&out)[1])
{
    out[0] = make_uint4(word[0], word[1], word[2], word[3]);
}

__device__ __forceinline__ void turn(const unsigned (&word)[8], uint4 (&out)[2])
{
    out[0] = make_uint4(__byte_perm(word[0], word[1], 0x5410), __byte_perm(word[2], word[3], 0x5410),
                        __byte_perm(word[4], word[5], 0x5410), __byte_perm(word[6], word[7], 0x5410));
    out[1] = make_uint4(__byte_perm(word[0], word[1], 0x7632), __byte_perm(word[2], word[3], 0x7632),
                        __byte_perm(word[4], word[5], 0x7632), __byte_perm(word[6], word[7], 0x7632));
}
