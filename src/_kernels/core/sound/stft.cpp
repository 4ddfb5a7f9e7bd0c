// The STFT of one instruction set: compiled once per set with SRT_ISA naming it.
//
// Four stereo frames are transformed at a time, in the eight lanes of a vector: lane 2 t + c holds channel c of
// frame t. A lane's arithmetic does not depend on the others, so a frame gives the same bits in any place.
//
// The FFT is included inside the set's namespace: no copy of it that was compiled for wider
// vectors can be linked into code for narrower ones.
#include "sound/spectral.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// What pocketfft includes, so that none of it lands in the namespace.
#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <tuple>
#include <type_traits>

#define POCKETFFT_NO_MULTITHREADING
namespace spleeterrt::SRT_ISA {
#include "pocketfft/pocketfft_hdronly.h"
}

namespace spleeterrt::SRT_ISA {

extern const MaskKernels mask_table;

namespace {

constexpr std::size_t channels = 2;
constexpr std::size_t group = Stft::frames_per_group;
constexpr std::size_t lanes = group * channels;

#if defined(__GNUC__)

using Vec = float __attribute__((vector_size(32)));
using Pairs = double __attribute__((vector_size(32))); // lanes in pairs: both channels of a frame

#if defined(__clang__)
#define SHUFFLE(type, index, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(type, index, a, b, ...) __builtin_shuffle(a, b, (index __attribute__((vector_size(32)))){__VA_ARGS__})
#endif

inline Vec zip_low(Vec a, Vec b) { return SHUFFLE(Vec, int, a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
inline Vec zip_high(Vec a, Vec b) { return SHUFFLE(Vec, int, a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
inline Vec evens(Vec a, Vec b) { return SHUFFLE(Vec, int, a, b, 0, 2, 4, 6, 8, 10, 12, 14); }
inline Vec odds(Vec a, Vec b) { return SHUFFLE(Vec, int, a, b, 1, 3, 5, 7, 9, 11, 13, 15); }
inline Pairs zip_low(Pairs a, Pairs b) { return SHUFFLE(Pairs, long long, a, b, 0, 4, 1, 5); }
inline Pairs zip_high(Pairs a, Pairs b) { return SHUFFLE(Pairs, long long, a, b, 2, 6, 3, 7); }

// A 4 x 4 block of pairs, rows to columns.
inline void transpose(Vec &a, Vec &b, Vec &c, Vec &d)
{
    const Pairs p = zip_low((Pairs)a, (Pairs)c), q = zip_high((Pairs)a, (Pairs)c);
    const Pairs r = zip_low((Pairs)b, (Pairs)d), s = zip_high((Pairs)b, (Pairs)d);
    a = (Vec)zip_low(p, r);
    b = (Vec)zip_high(p, r);
    c = (Vec)zip_low(q, s);
    d = (Vec)zip_high(q, s);
}
inline Vec load(const float *p)
{
    Vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
inline void store(float *p, Vec v) { std::memcpy(p, &v, sizeof v); }
inline Vec root(Vec v)
{
    for (std::size_t i = 0; i < lanes; i++)
        v[i] = std::sqrt(v[i]);
    return v;
}
// Two floats of each of four rows.
inline Vec gather(const float *a, const float *b, const float *c, const float *d)
{
    double x[4];
    std::memcpy(&x[0], a, 8);
    std::memcpy(&x[1], b, 8);
    std::memcpy(&x[2], c, 8);
    std::memcpy(&x[3], d, 8);
    const Pairs pairs = {x[0], x[1], x[2], x[3]};
    return (Vec)pairs;
}

#else // no vector extensions: the same on arrays

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
template <typename Pick> inline Vec pick(const Vec &a, const Vec &b, Pick index)
{
    Vec r;
    for (std::size_t i = 0; i < lanes; i++)
        r[i] = index(i) < lanes ? a[index(i)] : b[index(i) - lanes];
    return r;
}
inline Vec zip_low(Vec a, Vec b)
{
    return pick(a, b, [](std::size_t i) { return i / 2 + (i % 2) * lanes; });
}
inline Vec zip_high(Vec a, Vec b)
{
    return pick(a, b, [](std::size_t i) { return 4 + i / 2 + (i % 2) * lanes; });
}
inline Vec evens(Vec a, Vec b)
{
    return pick(a, b, [](std::size_t i) { return 2 * i; });
}
inline Vec odds(Vec a, Vec b)
{
    return pick(a, b, [](std::size_t i) { return 2 * i + 1; });
}
inline void transpose(Vec &a, Vec &b, Vec &c, Vec &d)
{
    const Vec rows[4] = {a, b, c, d};
    Vec *columns[4] = {&a, &b, &c, &d};
    for (std::size_t i = 0; i < 4; i++)
        for (std::size_t j = 0; j < lanes; j++)
            (*columns[i])[j] = rows[j / 2][2 * i + j % 2];
}
inline Vec load(const float *p)
{
    Vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
inline void store(float *p, Vec v) { std::memcpy(p, &v, sizeof v); }
inline Vec root(Vec v)
{
    for (auto &e : v.v)
        e = std::sqrt(e);
    return v;
}
inline Vec gather(const float *a, const float *b, const float *c, const float *d)
{
    const float *rows[4] = {a, b, c, d};
    Vec v;
    for (std::size_t i = 0; i < lanes; i++)
        v[i] = rows[i / 2][i % 2];
    return v;
}

#endif

using Floats = pocketfft::detail::arr<float>; // not std::vector: its copies would be shared between the sets
// Rows of a group; those of missing frames are rows of zeros.
using Rows = const float *[group];

class IsaStft final : public Stft {
public:
    using Stft::synthesise;

    IsaStft(std::size_t frame_length, std::size_t hop, std::size_t fft_length, const float *analysis,
            const float *synthesis)
        : Stft(hop, mask_table), frame_length_(frame_length), length_(fft_length), bins_(fft_length / 2 + 1),
          fft_(fft_length), analysis_(frame_length), synthesis_(frame_length),
          zeros_(2 * channels * bins_ + channels * frame_length)
    {
        std::memcpy(analysis_.data(), analysis, frame_length * sizeof(float));
        std::memset(zeros_.data(), 0, zeros_.size() * sizeof(float));
        for (std::size_t i = 0; i < frame_length; i++)
            synthesis_[i] = synthesis[i] / static_cast<float>(fft_length);
    }

    std::size_t scratch_floats() const override { return 3 * length_ * lanes; }

    void transform(const float *samples, std::size_t frames, float *scratch) const override
    {
        Rows from;
        for (std::size_t t = 0; t < group; t++)
            from[t] = t < frames ? samples + t * hop_ * channels : zeros_.data();
        transform_rows(from, scratch);
    }

    void transform_one(const float *samples, float *scratch) const override
    {
        const Rows from = {samples, samples, samples, samples};
        transform_rows(from, scratch);
    }

    // The samples of every place in the group.
    void transform_rows(const Rows &from, float *scratch) const
    {
        Vec *x = spectrum_of(scratch);
        std::size_t i = 0;
        for (; i + 4 <= frame_length_; i += 4) { // four samples of four frames
            Vec v[4];
            load_block(from, i, v);
            for (std::size_t j = 0; j < 4; j++)
                x[i + j] = v[j] * analysis_[i + j];
        }
        for (; i < frame_length_; i++)
            x[i] = load_lanes(from, i) * analysis_[i];
        for (; i < length_; i++)
            x[i] = Vec{};
        fft_.exec(x, spare_of(scratch), 1.0f, true);
    }

    void magnitude(std::size_t frames, float *magnitude, std::size_t f, const float *scratch) const override
    {
        const Vec *x = spectrum_of(scratch);
        std::size_t k = 0;
        for (; k + 4 <= f; k += 4) { // four bins of four frames
            Vec v[4];
            for (std::size_t j = 0; j < 4; j++)
                v[j] = size_of_bin(x, k + j);
            transpose(v[0], v[1], v[2], v[3]);
            for (std::size_t t = 0; t < frames; t++)
                store(magnitude + (t * f + k) * channels, v[t]);
        }
        for (; k < f; k++) {
            float size[lanes];
            store(size, size_of_bin(x, k));
            for (std::size_t t = 0; t < frames; t++)
                std::memcpy(magnitude + (t * f + k) * channels, size + channels * t, channels * sizeof(float));
        }
    }

    void write(std::size_t frames, std::complex<float> *spectrum, const float *scratch) const override
    {
        const Vec *x = spectrum_of(scratch);
        for (std::size_t k = 0; k < bins_; k++) {
            const Vec re = real(x, k), im = imaginary(x, k);
            float row[2 * lanes]; // frame by frame: re, im of the left channel, of the right one
            store(row, zip_low(re, im));
            store(row + lanes, zip_high(re, im));
            for (std::size_t t = 0; t < frames; t++)
                std::memcpy(reinterpret_cast<float *>(spectrum + (t * bins_ + k) * channels), row + 2 * channels * t,
                            2 * channels * sizeof(float));
        }
    }

    void read(const std::complex<float> *spectrum, std::size_t stride, std::size_t bins, std::size_t frames,
              float *scratch) const override
    {
        Vec *x = spectrum_of(scratch);
        Rows from;
        for (std::size_t t = 0; t < group; t++)
            from[t] = t < frames ? reinterpret_cast<const float *>(spectrum + t * stride) : zeros_.data();
        for (std::size_t k = 0; k < bins_; k++) {
            const std::size_t at = 2 * channels * k;
            Vec re{}, im{};
            if (k < bins) {
                const Vec left = gather(from[0] + at, from[1] + at, from[2] + at, from[3] + at);
                const Vec right = gather(from[0] + at + 2, from[1] + at + 2, from[2] + at + 2, from[3] + at + 2);
                // (re, im) of the left channel and of the right one, per frame -> re and im of all lanes
                re = to_lanes(evens(left, right));
                im = to_lanes(odds(left, right));
            }
            x[k == 0 ? 0 : 2 * k - 1] = re;
            if (k > 0 && k < bins_ - 1)
                x[2 * k] = im;
        }
    }

    void synthesise(const Lane *place, std::size_t count, std::size_t f, float *scratch) const override
    {
        const Vec *x = spectrum_of(scratch);
        Vec *y = masked_of(scratch);
        if (place[0].mask) {
            Rows masks;
            float above[lanes] = {};
            for (std::size_t t = 0; t < group; t++) {
                masks[t] = t < count ? place[t].mask : zeros_.data();
                for (std::size_t c = 0; c < channels && t < count; c++)
                    above[t * channels + c] = place[t].extension[c];
            }
            std::size_t k = 0;
            for (; k + 4 <= f; k += 4) {
                Vec m[4];
                load_block(masks, k, m);
                for (std::size_t j = 0; j < 4; j++)
                    apply(x, y, k + j, m[j]);
            }
            for (; k < f; k++)
                apply(x, y, k, load_lanes(masks, k));
            const Vec extended = load(above);
            for (; k < bins_; k++)
                apply(x, y, k, extended);
        } else {
            std::memcpy(y, x, length_ * sizeof(Vec));
        }
        fft_.exec(y, spare_of(scratch), 1.0f, false);

        std::size_t i = 0;
        for (; i + 4 <= frame_length_; i += 4) {
            Vec v[4];
            for (std::size_t j = 0; j < 4; j++)
                v[j] = y[i + j] * synthesis_[i + j];
            transpose(v[0], v[1], v[2], v[3]);
            for (std::size_t t = 0; t < count; t++) {
                float *out = place[t].sum + i * channels;
                store(out, load(out) + v[t]);
            }
        }
        for (; i < frame_length_; i++)
            for (std::size_t t = 0; t < count; t++)
                for (std::size_t c = 0; c < channels; c++)
                    place[t].sum[i * channels + c] += y[i][t * channels + c] * synthesis_[i];
    }

private:
    // The scratch: the spectrum of a group in half-complex order (r0, r1, i1, r2, i2, ..., r(n/2)), the
    // masked one that becomes samples, and what the FFT needs.
    Vec *spectrum_of(float *scratch) const { return reinterpret_cast<Vec *>(scratch); }
    const Vec *spectrum_of(const float *scratch) const { return reinterpret_cast<const Vec *>(scratch); }
    Vec *masked_of(float *scratch) const { return spectrum_of(scratch) + length_; }
    Vec *spare_of(float *scratch) const { return spectrum_of(scratch) + 2 * length_; }

    Vec real(const Vec *x, std::size_t k) const { return x[k == 0 ? 0 : 2 * k - 1]; }
    Vec imaginary(const Vec *x, std::size_t k) const { return k == 0 || k == bins_ - 1 ? Vec{} : x[2 * k]; }
    Vec size_of_bin(const Vec *x, std::size_t k) const
    {
        const Vec re = real(x, k), im = imaginary(x, k);
        return root(re * re + im * im);
    }
    // y = x m in bin k
    void apply(const Vec *x, Vec *y, std::size_t k, Vec m) const
    {
        const std::size_t at = k == 0 ? 0 : 2 * k - 1;
        y[at] = x[at] * m;
        if (k > 0 && k < bins_ - 1)
            y[2 * k] = x[2 * k] * m;
    }

    // Both channels at place i of every row, and at places i to i + 3.
    static Vec load_lanes(const Rows &rows, std::size_t i)
    {
        const std::size_t at = i * channels;
        return gather(rows[0] + at, rows[1] + at, rows[2] + at, rows[3] + at);
    }
    static void load_block(const Rows &rows, std::size_t i, Vec v[4])
    {
        for (std::size_t t = 0; t < group; t++)
            v[t] = load(rows[t] + i * channels);
        transpose(v[0], v[1], v[2], v[3]);
    }

    // frame 0..3 of the left channel, then of the right one -> lane 2 t + c
    static Vec to_lanes(Vec v)
    {
        const Vec right = upper(v);
        return zip_low(v, right);
    }
    static Vec upper(Vec v)
    {
#if defined(__GNUC__)
        return SHUFFLE(Vec, int, v, v, 4, 5, 6, 7, 12, 13, 14, 15);
#else
        return pick(v, v, [](std::size_t i) { return i < 4 ? i + 4 : i + 8; });
#endif
    }

    std::size_t frame_length_, length_, bins_;
    pocketfft::detail::rfftp<float> fft_; // powers of two only: no Bluestein
    Floats analysis_, synthesis_, zeros_;
};

Stft *make(std::size_t frame_length, std::size_t hop, std::size_t fft_length, const float *analysis,
           const float *synthesis)
{
    return new IsaStft(frame_length, hop, fft_length, analysis, synthesis);
}

} // namespace

extern const StftTable stft_table = {make};

} // namespace spleeterrt::SRT_ISA
