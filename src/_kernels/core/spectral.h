// Short-time Fourier transform, ratio masks and overlap-add of stereo signals.
//
// Spectra are [frames][bins][2 channels] complex float, as Spleeter's `stft_feature`; magnitudes,
// estimates and masks are [frames][F][2] float.
//
// Every frame is computed by the same instructions wherever it stands, so results do not
// depend on how a signal is cut into calls or threads.
#ifndef SPLEETERRT_SPECTRAL_H
#define SPLEETERRT_SPECTRAL_H

#include <complex>
#include <cstddef>

namespace spleeterrt {

// The transform of one signal's parameters; immutable, shared by threads. Implemented once per
// instruction set (stft.cpp).
class Stft {
public:
    // Frames transformed together: one vector lane per frame and channel.
    static constexpr std::size_t frames_per_group = 4;

    virtual ~Stft() = default;

    // samples [(frames - 1) * hop + frame_length][2] -> spectrum [frames][bins][2] and
    // magnitude [frames][f][2] of the lowest f bins; 0 < frames <= frames_per_group.
    virtual void analyse(const float *samples, std::size_t frames, std::complex<float> *spectrum,
                         float *magnitude, std::size_t f) const = 0;

    // Masks a spectrum, transforms it back and adds the windowed frames to sum
    // [(frames - 1) * hop + frame_length][2]. mask [frames][f][2] for the lowest f bins,
    // extension [frames][2] for the bins above; mask == nullptr: the spectrum as it is.
    virtual void synthesise(const std::complex<float> *spectrum, const float *mask, const float *extension,
                            std::size_t f, std::size_t frames, float *sum) const = 0;
};

// isa: "avx512", "avx2" or "generic", as the fast kernels name them; what is not built becomes "generic".
// window: [frame_length]; fft_length >= frame_length, a power of two. The synthesis window is
// window * compensation (Spleeter: 2/3 for periodic Hann at 75 % overlap).
Stft *make_stft(const char *isa, std::size_t frame_length, std::size_t hop, std::size_t fft_length,
                const float *window, float compensation);

// Ratio masks in place: x[s][i] = (x[s][i]^p + 1e-10 / stems) / (sum_s x[s][i]^p + 1e-10), for n values of
// each stem, `plane` floats apart (Spleeter, model/__init__.py `_build_masks`).
void ratio_masks(float *x, std::size_t plane, std::size_t stems, std::size_t n, float exponent);

// Mean over bins: mask [f][2] -> mean [2] (mask extension "average").
void mean_mask(const float *mask, std::size_t f, float *mean);

} // namespace spleeterrt

#endif
