#include "spectral.h"
#include "portability.h"

#include <cmath>
#include <vector>

#define POCKETFFT_NO_MULTITHREADING
#include "pocketfft/pocketfft_hdronly.h"

namespace spleeterrt {

namespace {

constexpr std::size_t channels = 2;
constexpr std::size_t lanes = Stft::frames_per_group * channels;

#if defined(__GNUC__)
using Vector = float __attribute__((vector_size(lanes * sizeof(float))));
#else
// Compilers without vector extensions: the same arithmetic on an array.
struct Vector {
    float v[lanes];
    Vector() = default;
    Vector(float x) { for (auto &e : v) e = x; }
    float &operator[](std::size_t i) { return v[i]; }
    float operator[](std::size_t i) const { return v[i]; }
    Vector operator-() const { Vector r; for (std::size_t i = 0; i < lanes; i++) r.v[i] = -v[i]; return r; }
    Vector &operator+=(const Vector &o) { return *this = *this + o; }
    Vector &operator-=(const Vector &o) { return *this = *this - o; }
    Vector &operator*=(const Vector &o) { return *this = *this * o; }
    friend Vector operator+(Vector a, const Vector &b) { for (std::size_t i = 0; i < lanes; i++) a.v[i] += b.v[i]; return a; }
    friend Vector operator-(Vector a, const Vector &b) { for (std::size_t i = 0; i < lanes; i++) a.v[i] -= b.v[i]; return a; }
    friend Vector operator*(Vector a, const Vector &b) { for (std::size_t i = 0; i < lanes; i++) a.v[i] *= b.v[i]; return a; }
};
#endif

std::size_t lane(std::size_t frame, std::size_t channel)
{
    return frame * channels + channel;
}

} // namespace

struct Stft::Plan {
    pocketfft::detail::rfftp<float> fft; // powers of two only: no Bluestein
    std::vector<float> analysis, synthesis;

    const std::size_t length;

    explicit Plan(std::size_t n) : fft(n), length(n) {}
};

Stft::Stft(std::size_t frame_length, std::size_t hop, std::size_t fft_length, const float *window,
           float compensation)
    : frame_length_(frame_length), hop_(hop), bins_(fft_length / 2 + 1), plan_(new Plan(fft_length))
{
    plan_->analysis.assign(window, window + frame_length);
    plan_->synthesis.resize(frame_length);
    for (std::size_t i = 0; i < frame_length; i++)
        plan_->synthesis[i] = window[i] * compensation / static_cast<float>(fft_length);
}

Stft::~Stft() = default;

void Stft::analyse(const float *samples, std::size_t frames, std::complex<float> *spectrum, float *magnitude,
                   std::size_t f) const
{
    const std::size_t n = plan_->length;
    pocketfft::detail::arr<Vector> work(n);
    const float *window = plan_->analysis.data();
    for (std::size_t i = 0; i < frame_length_; i++) {
        Vector x{};
        for (std::size_t t = 0; t < frames; t++)
            for (std::size_t c = 0; c < channels; c++)
                x[lane(t, c)] = samples[(t * hop_ + i) * channels + c];
        work[i] = x * window[i];
    }
    for (std::size_t i = frame_length_; i < n; i++)
        work[i] = Vector{};
    plan_->fft.exec(work.data(), 1.0f, true);
    // Half-complex order: r0, r1, i1, r2, i2, ..., r(n/2).
    for (std::size_t t = 0; t < frames; t++) {
        std::complex<float> *out = spectrum + t * bins_ * channels;
        float *m = magnitude + t * f * channels;
        for (std::size_t k = 0; k < bins_; k++)
            for (std::size_t c = 0; c < channels; c++) {
                float re = work[k == 0 ? 0 : 2 * k - 1][lane(t, c)];
                float im = k == 0 || k == bins_ - 1 ? 0.0f : work[2 * k][lane(t, c)];
                out[k * channels + c] = {re, im};
                if (k < f)
                    m[k * channels + c] = std::sqrt(re * re + im * im);
            }
    }
}

void Stft::synthesise(const std::complex<float> *spectrum, const float *mask, const float *extension,
                      std::size_t f, std::size_t frames, float *sum) const
{
    const std::size_t n = plan_->length;
    pocketfft::detail::arr<Vector> work(n);
    for (std::size_t k = 0; k < bins_; k++) {
        Vector re{}, im{};
        for (std::size_t t = 0; t < frames; t++)
            for (std::size_t c = 0; c < channels; c++) {
                std::complex<float> x = spectrum[(t * bins_ + k) * channels + c];
                float m = 1.0f;
                if (mask)
                    m = k < f ? mask[(t * f + k) * channels + c] : extension[t * channels + c];
                re[lane(t, c)] = x.real() * m;
                im[lane(t, c)] = x.imag() * m;
            }
        work[k == 0 ? 0 : 2 * k - 1] = re;
        if (k > 0 && k < bins_ - 1)
            work[2 * k] = im;
    }
    plan_->fft.exec(work.data(), 1.0f, false);
    const float *window = plan_->synthesis.data();
    for (std::size_t t = 0; t < frames; t++) {
        float *out = sum + t * hop_ * channels;
        for (std::size_t i = 0; i < frame_length_; i++)
            for (std::size_t c = 0; c < channels; c++)
                out[i * channels + c] += work[i][lane(t, c)] * window[i];
    }
}

namespace {

constexpr float epsilon = 1e-10f; // Spleeter's EPSILON

struct Square {
    float operator()(float x) const { return x * x; }
};

struct Power {
    float exponent;
    float operator()(float x) const { return std::pow(x, exponent); }
};

template <typename P>
KERNEL_INLINE void ratio_masks_with(P power, float *x, std::size_t plane, std::size_t stems, std::size_t n)
{
    constexpr std::size_t block = 512;
    float total[block];
    const float share = epsilon / static_cast<float>(stems);
    for (std::size_t first = 0; first < n; first += block) {
        const std::size_t count = n - first < block ? n - first : block;
        for (std::size_t i = 0; i < count; i++)
            total[i] = 0.0f;
        for (std::size_t s = 0; s < stems; s++) {
            float *v = x + s * plane + first;
            for (std::size_t i = 0; i < count; i++) {
                v[i] = power(v[i]);
                total[i] += v[i];
            }
        }
        for (std::size_t i = 0; i < count; i++)
            total[i] += epsilon;
        for (std::size_t s = 0; s < stems; s++) {
            float *v = x + s * plane + first;
            for (std::size_t i = 0; i < count; i++)
                v[i] = (v[i] + share) / total[i];
        }
    }
}

} // namespace

KERNEL_CLONES static void ratio_masks_square(float *x, std::size_t plane, std::size_t stems, std::size_t n)
{
    ratio_masks_with(Square{}, x, plane, stems, n);
}

void ratio_masks(float *x, std::size_t plane, std::size_t stems, std::size_t n, float exponent)
{
    if (exponent == 2.0f)
        ratio_masks_square(x, plane, stems, n);
    else
        ratio_masks_with(Power{exponent}, x, plane, stems, n);
}

void mean_mask(const float *mask, std::size_t f, float *mean)
{
    double sum[channels] = {0.0, 0.0};
    for (std::size_t k = 0; k < f; k++)
        for (std::size_t c = 0; c < channels; c++)
            sum[c] += mask[k * channels + c];
    for (std::size_t c = 0; c < channels; c++)
        mean[c] = static_cast<float>(sum[c] / static_cast<double>(f));
}

} // namespace spleeterrt
