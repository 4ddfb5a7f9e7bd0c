// Masks of stems, element by element, for each instruction set.
#ifndef SPLEETERRT_SOUND_MASKS_H
#define SPLEETERRT_SOUND_MASKS_H

#include "isa.h"

#include <cstddef>

namespace spleeterrt {

// One instruction set's build of them.
struct MaskKernels {
    const char *name; // of the set

    // Ratio masks: mask[s][i] = (x[s][i]^p + 1e-10 / stems) / (sum_s x[s][i]^p + 1e-10), for n values of
    // each stem, `plane` floats apart in x and n in mask (Spleeter, model/__init__.py `_build_masks`).
    void (*ratio_masks)(const float *x, std::size_t plane, std::size_t stems, std::size_t n, float exponent,
                        float *mask);

    // A network's own mask: its estimate over the mix's magnitude, n values; where that is zero, `silent`.
    void (*own_mask)(const float *x, const float *magnitudes, std::size_t n, float silent, float *mask);

    // Mean over bins: mask [f][2] -> mean [2] (mask extension "average").
    void (*mean_mask)(const float *mask, std::size_t f, float *mean);

    // Index of the first value that is not below `limit` in magnitude (NaN included), or n.
    std::size_t (*first_beyond)(const float *x, std::size_t n, float limit);
};

const MaskKernels &mask_kernels(Isa isa);
// By its name; what does not run here becomes the plainest one.
const MaskKernels &mask_kernels(const char *isa);

} // namespace spleeterrt

#endif
