// Eight lanes in every instruction set: four stereo frames, lane 2 t + c holds channel c of frame t.
//
//     zip_low, zip_high    the low or the high halves interleaved: a0 b0 a1 b1 ...
//     evens, odds, uppers  lanes 0, 2, ... of a, then of b; lanes 1, 3, ...; the upper four
//     transpose            a 4 x 4 block of pairs of lanes, rows to columns
//     gather               two floats of each of four rows
//     root                 the square root
#ifndef SPLEETERRT_SIMD_LANES8_H
#define SPLEETERRT_SIMD_LANES8_H

#if defined(__GNUC__) || defined(__clang__)
#include "simd/lanes8_vector.h"
#else
#include "simd/lanes8_array.h"
#endif

#endif
