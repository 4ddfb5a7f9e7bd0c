// The masks of one instruction set: compiled once per set with SRT_ISA naming it. (C's functions, not templates of the
// standard library, which could be linked into code for another set.)
#include "sound/masks.h"
#include "check.h"
#include "portability.h"

#include <math.h>

namespace spleeterrt::SRT_ISA {
namespace {

constexpr std::size_t channels = 2;
constexpr float epsilon = 1e-10f; // Spleeter's EPSILON

struct Square {
    float operator()(float x) const { return x * x; }
};

struct Same {
    float operator()(float x) const { return x; }
};

struct Root {
    float operator()(float x) const { return sqrtf(x); }
};

struct Power {
    float exponent;
    float operator()(float x) const { return powf(x, exponent); }
};

template <typename P> KERNEL_INLINE void ratio_masks_with(P power, const float *x, std::size_t plane, std::size_t stems,
                                                          std::size_t n, float *KERNEL_RESTRICT mask)
{
    constexpr std::size_t block = 512;
    float total[block];
    const float share = epsilon / static_cast<float>(stems);
    for (std::size_t first = 0; first < n; first += block) {
        const std::size_t count = n - first < block ? n - first : block;
        for (std::size_t i = 0; i < count; i++)
            total[i] = 0.0f;
        for (std::size_t s = 0; s < stems; s++) {
            const float *v = x + s * plane + first;
            float *m = mask + s * n + first;
            for (std::size_t i = 0; i < count; i++) {
                m[i] = power(v[i]);
                total[i] += m[i];
            }
        }
        for (std::size_t i = 0; i < count; i++)
            total[i] += epsilon;
        for (std::size_t s = 0; s < stems; s++) {
            float *m = mask + s * n + first;
            for (std::size_t i = 0; i < count; i++)
                m[i] = (m[i] + share) / total[i];
        }
    }
}

// The exponents of Spleeter's models and of ours have loops of their own; powf is some ten times slower.
void ratio_masks(const float *x, std::size_t plane, std::size_t stems, std::size_t n, float exponent, float *mask)
{
    SRT_DCHECK(stems > 0 && (stems == 1 || plane >= n) && exponent > 0.0f);
    if (exponent == 2.0f)
        ratio_masks_with(Square{}, x, plane, stems, n, mask);
    else if (exponent == 1.0f)
        ratio_masks_with(Same{}, x, plane, stems, n, mask);
    else if (exponent == 0.5f)
        ratio_masks_with(Root{}, x, plane, stems, n, mask);
    else
        ratio_masks_with(Power{exponent}, x, plane, stems, n, mask);
}

void own_mask(const float *x, const float *magnitudes, std::size_t n, float silent, float *mask)
{
    SRT_DCHECK(n == 0 || (x && magnitudes && mask));
    for (std::size_t i = 0; i < n; i++)
        mask[i] = magnitudes[i] > 0.0f ? x[i] / magnitudes[i] : silent;
}

bool all_below(const float *x, std::size_t n, float limit)
{
    int good = 1;
    for (std::size_t i = 0; i < n; i++)
        good &= fabsf(x[i]) < limit; // false for NaN
    return good != 0;
}

std::size_t first_beyond(const float *x, std::size_t n, float limit)
{
    constexpr std::size_t block = 4096;
    for (std::size_t first = 0; first < n; first += block) {
        const std::size_t count = n - first < block ? n - first : block;
        if (!all_below(x + first, count, limit))
            for (std::size_t i = first;; i++)
                if (!(fabsf(x[i]) < limit))
                    return i;
    }
    return n;
}

void mean_mask(const float *mask, std::size_t f, float *mean)
{
    SRT_DCHECK(f > 0 && mask && mean);
    double sum[channels] = {0.0, 0.0};
    for (std::size_t k = 0; k < f; k++)
        for (std::size_t c = 0; c < channels; c++)
            sum[c] += mask[k * channels + c];
    for (std::size_t c = 0; c < channels; c++)
        mean[c] = static_cast<float>(sum[c] / static_cast<double>(f));
}

} // namespace

extern const MaskKernels mask_table = {SRT_ISA_NAME, ratio_masks, own_mask, mean_mask, first_beyond};

} // namespace spleeterrt::SRT_ISA
