// Multichannel Wiener filter for stereo: norbert 0.2.1 (`norbert.wiener` with its defaults: ratio
// mask as the first estimate, one EM iteration), as passes over the frames so that a signal of any
// length needs constant memory. Magnitudes above the f lowest bins are zero, so is the result there.
#ifndef SPLEETERRT_WIENER_H
#define SPLEETERRT_WIENER_H

#include <complex>
#include <cstddef>
#include <limits>

namespace spleeterrt {

// norbert's eps for complex64 input
constexpr double wiener_epsilon = std::numeric_limits<float>::epsilon();

// Sums over frames per stem and bin: |y0|^2, |y1|^2, Re(y0 conj y1), Im(y0 conj y1).
constexpr std::size_t covariance_terms = 4;

struct WienerInput {
    const std::complex<float> *spectrum; // [frames][bins][2]
    std::size_t bins;
    const float *magnitudes; // estimates: [stems] planes of [frames][f][2], `plane` floats apart
    std::size_t plane, stems, f;
    double eps; // usually wiener_epsilon
};

// First pass: adds the covariances of the first estimates, of frames [0, frames) and bins
// [first_bin, last_bin), to sums [stems][f][covariance_terms].
void wiener_accumulate(const WienerInput &in, std::size_t frames, std::size_t first_bin, std::size_t last_bin,
                       double *sums);

// Second pass: frame by frame, the filtered stems: out [stems][f][2] for frame `frame`.
// scale: norbert's max(1, max |spectrum| / 10) over the whole signal.
void wiener_apply(const WienerInput &in, std::size_t frame, double scale, const double *sums, std::complex<float> *out);

} // namespace spleeterrt

#endif
