// Winograd / Toom-Cook for one dimension: m outputs of a 3-tap filter from m + 2 products.
//
//     y[i] = sum_k g[k] d[i + k],  0 <= i < m, 0 <= k < 3        y = A [(G g) * (B d)]
//
// With n = m + 2 points p_0 = 0, p_1 ... p_(n-2), and infinity (the transpose of polynomial multiplication by
// interpolation; Blahut, "Fast Algorithms for Signal Processing", ch. 5):
//
//     A[i][j] = p_j^i                        infinity: 1 for i = m - 1, else 0
//     G[j][k] = p_j^k / prod_(l != j) (p_j - p_l)       infinity: 1 for k = 2, else 0
//     B[j]    = coefficients of prod_(l != j) (z - p_l)  over the finite points
//
// The points come in pairs +p, -p, so the rows of B and of G share their even and odd halves.
//
// A 5-tap filter of stride 2 has a 3-tap phase (taps 0, 2, 4) and a 2-tap one (taps 1, 3). The
// second is treated as three taps with a zero. Where the zero stands first (convolution),
// G g vanishes at the point 0; where it stands last (transposed convolution), at infinity. So the
// 2-tap phase needs n - 1 points of the same set: `data_without_zero`, `output<false>`.
#ifndef SPLEETERRT_FAST_POINTS_H
#define SPLEETERRT_FAST_POINTS_H

#include "simd/simd.h"

namespace spleeterrt::SRT_ISA {

template <int m> struct Winograd;

// F(2, 3): points 0, 1, -1, infinity.
template <> struct Winograd<2> {
    static constexpr int n = 4;
    static constexpr double points[n - 1] = {0.0, 1.0, -1.0};

    // d[0..3] -> products' operands at all points.
    static ALWAYS_INLINE void data(const Vec *d, Vec *out)
    {
        out[0] = d[2] - d[0]; // (z - 1)(z + 1)
        data_without_zero(d + 1, out + 1);
    }
    // d[0..2] are the samples 1..3 (no row of B but the point 0's sees sample 0) -> points 1..3.
    static ALWAYS_INLINE void data_without_zero(const Vec *d, Vec *out)
    {
        out[0] = d[1] + d[0];
        out[1] = d[1] - d[0];
        out[2] = d[2] - d[0];
    }
    // Taps 0..2 -> all points; a phase of two taps (without the first, without the last) leaves out the
    // point where it vanishes.
    template <bool first, bool last> static ALWAYS_INLINE void filter(Vec g0, Vec g1, Vec g2, Vec *out)
    {
        if (first)
            *out++ = -g0;
        Vec even = first && last ? 0.5f * (g0 + g2) : 0.5f * (first ? g0 : g2), odd = 0.5f * g1;
        *out++ = even + odd;
        *out++ = even - odd;
        if (last)
            *out++ = g2;
    }
    // Products at all points, or at all but infinity -> y[0..1].
    template <bool with_infinity> static ALWAYS_INLINE void output(const Vec *x, Vec *y)
    {
        y[0] = x[0] + x[1] + x[2];
        y[1] = x[1] - x[2];
        if (with_infinity)
            y[1] += x[3];
    }
};

// F(4, 3): points 0, 3/4, -3/4, 3/2, -3/2, infinity. Two to three times less error than 0, 1, -1, 2, -2 at the
// same cost, because their powers are nearer to 1; exact in binary.
template <> struct Winograd<4> {
    static constexpr int n = 6;
    static constexpr double points[n - 1] = {0.0, 0.75, -0.75, 1.5, -1.5};
    static constexpr float a = 0.75f, b = 1.5f;
    static constexpr float a2 = a * a, b2 = b * b;

    // z^4 - (a^2 + b^2) z^2 + a^2 b^2, times 1 (point 0) or z (infinity).
    static ALWAYS_INLINE Vec even_quartic(Vec d0, Vec d2, Vec d4) { return d4 + (a2 * b2 * d0 - (a2 + b2) * d2); }

    static ALWAYS_INLINE void data(const Vec *d, Vec *out)
    {
        out[0] = even_quartic(d[0], d[2], d[4]);
        data_without_zero(d + 1, out + 1);
    }
    // Samples 1..5 -> points 1..5. Point +-a: z (z +- a)(z^2 - b^2).
    static ALWAYS_INLINE void data_without_zero(const Vec *d, Vec *out)
    {
        Vec even_a = d[3] - b2 * d[1], odd_a = a * (d[2] - b2 * d[0]);
        Vec even_b = d[3] - a2 * d[1], odd_b = b * (d[2] - a2 * d[0]);
        out[0] = even_a + odd_a;
        out[1] = even_a - odd_a;
        out[2] = even_b + odd_b;
        out[3] = even_b - odd_b;
        out[4] = even_quartic(d[0], d[2], d[4]);
    }
    template <bool first, bool last> static ALWAYS_INLINE void filter(Vec g0, Vec g1, Vec g2, Vec *out)
    {
        if (first)
            *out++ = (1.0f / (a2 * b2)) * g0;
        pair<first, last>(1.0 / (2.0 * a2 * (a2 - b2)), a, g0, g1, g2, out);
        pair<first, last>(1.0 / (2.0 * b2 * (b2 - a2)), b, g0, g1, g2, out);
        if (last)
            *out++ = g2;
    }
    // Points p and -p: (g0 +- p g1 + p^2 g2) times the factor of G.
    template <bool first, bool last>
    static ALWAYS_INLINE void pair(double factor, double p, Vec g0, Vec g1, Vec g2, Vec *&out)
    {
        const float f0 = (float)factor, f1 = (float)(factor * p), f2 = (float)(factor * p * p);
        Vec even = first && last ? f0 * g0 + f2 * g2 : first ? f0 * g0 : f2 * g2;
        Vec odd = f1 * g1;
        *out++ = even + odd;
        *out++ = even - odd;
    }
    template <bool with_infinity> static ALWAYS_INLINE void output(const Vec *x, Vec *y)
    {
        Vec sum_a = x[1] + x[2], difference_a = x[1] - x[2];
        Vec sum_b = x[3] + x[4], difference_b = x[3] - x[4];
        y[0] = x[0] + sum_a + sum_b;
        y[1] = a * difference_a + b * difference_b;
        y[2] = a2 * sum_a + b2 * sum_b;
        y[3] = a2 * a * difference_a + b2 * b * difference_b;
        if (with_infinity)
            y[3] += x[5];
    }
};

// F(2, 3) with filters of F(4, 3). At the points 0 and +-3/4 these have a factor more than those of F(2, 3),
// 1 / (p^2 - b^2); its inverse lies in the data. At infinity they are the same.
struct TwoOfFour {
    static constexpr int n = 4;
    static constexpr float a = Winograd<4>::a, a2 = Winograd<4>::a2, b2 = Winograd<4>::b2;

    // d[0..3] -> products' operands at all points.
    static ALWAYS_INLINE void data(const Vec *d, Vec *out)
    {
        out[0] = a2 * b2 * d[0] - b2 * d[2];
        const Vec even = (a2 - b2) * d[2], odd = (a2 - b2) * a * d[1];
        out[1] = even + odd;
        out[2] = even - odd;
        out[3] = d[3] - a2 * d[1];
    }
    template <bool with_infinity> static ALWAYS_INLINE void output(const Vec *x, Vec *y)
    {
        y[0] = x[0] + x[1] + x[2];
        y[1] = a * (x[1] - x[2]);
        if (with_infinity)
            y[1] += x[3];
    }
};

// A transform along time for `rows` outputs, beside one of m along frequency, and which of the latter's points its
// points are.
template <int m, int rows> struct AlongTime {
    static_assert(m == 4 && rows == 2, "the only tiles that are not square");
    using Transform = TwoOfFour;
    static constexpr int point(int p) { return p < 3 ? p : Winograd<4>::n - 1; }
};
template <int m> struct AlongTime<m, m> {
    using Transform = Winograd<m>;
    static constexpr int point(int p) { return p; }
};

// G[j][k] in double, for the weights.
template <int m> static inline double filter_factor(int j, int k)
{
    using Transform = Winograd<m>;
    if (j == Transform::n - 1)
        return k == 2;
    double factor = 1.0;
    for (int i = 0; i < k; i++)
        factor *= Transform::points[j];
    for (int other = 0; other < Transform::n - 1; other++)
        if (other != j)
            factor /= Transform::points[j] - Transform::points[other];
    return factor;
}

} // namespace spleeterrt::SRT_ISA

#endif
