// What the fast layers apply to finished values.
#ifndef SPLEETERRT_FAST_ACTIVATIONS_H
#define SPLEETERRT_FAST_ACTIVATIONS_H

#include "simd/simd.h"

namespace spleeterrt::SRT_ISA {

// exp(x) = 2^n (1 + p), |p| < 0.42: x = n ln 2 + r, p = r + r^2 q(r) with a minimax polynomial q (1e-8
// of p). x within -87 ... 88.
static ALWAYS_INLINE void exp_parts(Vec x, Vec &two_n, Vec &p)
{
    const float magic = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer
    Vec shifted = x * 1.44269504088896341f + magic;
    Vec n = shifted - magic;
    Vec r = x - n * 0.693147182f; // one constant will do: its error is 2e-9 n, of a value that shrinks as 2^n
    Vec q = broadcast(0.00138824969f);
    q = q * r + 0.00836664718f;
    q = q * r + 0.0416672044f;
    q = q * r + 0.16666542f;
    q = q * r + 0.49999997f;
    p = r + (r * r) * q;
    two_n = (Vec)(((IntVec)shifted << 23) + (127 << 23));
}

enum Activation { None = 0, LeakyRelu = 1, Relu = 2, Elu = 3 }; // the codes of core/network/elementwise.h

template <int kind> static ALWAYS_INLINE Vec activate(Vec x)
{
    if constexpr (kind == LeakyRelu)
        return max(x, x * 0.2f);
    else if constexpr (kind == Relu)
        return max(x, Vec{});
    else if constexpr (kind == Elu) {
        Vec two_n, p;
        exp_parts(max(min(x, Vec{}), broadcast(-87.0f)), two_n, p);
        return max(x, (two_n - 1.0f) + two_n * p); // exp(x) - 1 >= x
    } else
        return x;
}

template <int kind> struct ActivationKind {
    static constexpr int value = kind;
};

// f(ActivationKind): code for every kind, of which a layer's is chosen. What has no line here is no activation.
template <typename F> static ALWAYS_INLINE void with_activation(int code, const F &f)
{
    switch (code) {
    case LeakyRelu: return f(ActivationKind<LeakyRelu>());
    case Relu: return f(ActivationKind<Relu>());
    case Elu: return f(ActivationKind<Elu>());
    default: return f(ActivationKind<None>());
    }
}

static ALWAYS_INLINE Vec sigmoid(Vec x)
{
    Vec two_n, p;
    exp_parts(min(max(-x, broadcast(-87.0f)), broadcast(88.0f)), two_n, p);
    return reciprocal(1.0f + two_n + two_n * p);
}

} // namespace spleeterrt::SRT_ISA

#endif
