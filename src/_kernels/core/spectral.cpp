#include "spectral.h"
#include "portability.h"

#include <cmath>
#include <cstring>

#define DECLARE(isa)                                                                                         \
    namespace isa {                                                                                          \
    spleeterrt::Stft *make_stft(std::size_t, std::size_t, std::size_t, const float *, float);                \
    }
DECLARE(generic)
#ifdef FAST_X86
DECLARE(avx2)
DECLARE(avx512)
#endif

namespace spleeterrt {

Stft *make_stft(const char *isa, std::size_t frame_length, std::size_t hop, std::size_t fft_length,
                const float *window, float compensation)
{
    (void)isa;
#ifdef FAST_X86
    if (std::strcmp(isa, "avx512") == 0)
        return avx512::make_stft(frame_length, hop, fft_length, window, compensation);
    if (std::strcmp(isa, "avx2") == 0)
        return avx2::make_stft(frame_length, hop, fft_length, window, compensation);
#endif
    return generic::make_stft(frame_length, hop, fft_length, window, compensation);
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

constexpr std::size_t channels = 2;

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
