// 8 lanes without vector extensions: the same on arrays.
#ifndef SPLEETERRT_SIMD_LANES8_ARRAY_H
#define SPLEETERRT_SIMD_LANES8_ARRAY_H

#include <cmath>
#include <cstddef>
#include <cstring>

namespace spleeterrt::SRT_ISA {

constexpr std::size_t lanes = 8;

struct Vec {
    float v[lanes];
    Vec() = default;
    Vec(float x)
    {
        for (auto &e : v)
            e = x;
    }
    float &operator[](std::size_t i) { return v[i]; }
    float operator[](std::size_t i) const { return v[i]; }
    Vec operator-() const { return Vec(0.0f) - *this; }
    Vec &operator+=(const Vec &o) { return *this = *this + o; }
    Vec &operator-=(const Vec &o) { return *this = *this - o; }
    Vec &operator*=(const Vec &o) { return *this = *this * o; }
#define LANEWISE(op)                            \
    friend Vec operator op(Vec a, const Vec &b) \
    {                                           \
        for (std::size_t i = 0; i < lanes; i++) \
            a.v[i] = a.v[i] op b.v[i];          \
        return a;                               \
    }
    LANEWISE(+) LANEWISE(-) LANEWISE(*)
#undef LANEWISE
};
template <typename Pick> static inline Vec pick(const Vec &a, const Vec &b, Pick index)
{
    Vec r;
    for (std::size_t i = 0; i < lanes; i++)
        r[i] = index(i) < lanes ? a[index(i)] : b[index(i) - lanes];
    return r;
}
static inline Vec zip_low(Vec a, Vec b)
{
    return pick(a, b, [](std::size_t i) { return i / 2 + (i % 2) * lanes; });
}
static inline Vec zip_high(Vec a, Vec b)
{
    return pick(a, b, [](std::size_t i) { return 4 + i / 2 + (i % 2) * lanes; });
}
static inline Vec evens(Vec a, Vec b)
{
    return pick(a, b, [](std::size_t i) { return 2 * i; });
}
static inline Vec odds(Vec a, Vec b)
{
    return pick(a, b, [](std::size_t i) { return 2 * i + 1; });
}
static inline Vec uppers(Vec a, Vec b)
{
    return pick(a, b, [](std::size_t i) { return i < 4 ? i + 4 : i + 8; });
}
static inline void transpose(Vec &a, Vec &b, Vec &c, Vec &d)
{
    const Vec rows[4] = {a, b, c, d};
    Vec *columns[4] = {&a, &b, &c, &d};
    for (std::size_t i = 0; i < 4; i++)
        for (std::size_t j = 0; j < lanes; j++)
            (*columns[i])[j] = rows[j / 2][2 * i + j % 2];
}
static inline Vec load(const float *p)
{
    Vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
static inline void store(float *p, Vec v) { std::memcpy(p, &v, sizeof v); }
static inline Vec root(Vec v)
{
    for (auto &e : v.v)
        e = std::sqrt(e);
    return v;
}
static inline Vec gather(const float *a, const float *b, const float *c, const float *d)
{
    const float *rows[4] = {a, b, c, d};
    Vec v;
    for (std::size_t i = 0; i < lanes; i++)
        v[i] = rows[i / 2][i % 2];
    return v;
}

} // namespace spleeterrt::SRT_ISA

#endif
