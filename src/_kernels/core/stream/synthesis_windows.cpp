#include "stream/synthesis_windows.h"

#include <algorithm>
#include <cmath>

namespace spleeterrt {

// Where only the last S samples of a frame are heard, the masked spectrum comes from an analysis window
// that is still large there: a long half sine up and a short one down (Mauler and Martin, A low delay, variable
// resolution, perfect reconstruction spectral analysis-synthesis system, EUSIPCO 2007, with a longer fall: the
// part before it is heard most). From S = 3/4 of the frame on Hann itself is. The masks always come from the Hann
// window that the networks were trained on.
//
// synthesis = w analysis / sum over shifts of w analysis^2, the least-squares inverse under a weight w that
// rises from 0 to 1 at the beginning of the last S samples.
Windows stream_windows(std::size_t frame_length, std::size_t hop, std::size_t synthesis)
{
    constexpr double pi = 3.14159265358979323846;
    const std::size_t n = frame_length;
    std::vector<double> hann(n), analysis(n), weight(n);
    for (std::size_t i = 0; i < n; i++)
        hann[i] = 0.5 - 0.5 * std::cos(2 * pi * static_cast<double>(i) / static_cast<double>(n));
    Windows windows{std::vector<float>(hann.begin(), hann.end()), std::vector<float>(n), std::vector<float>(n)};
    if (synthesis == n) {
        windows.analysis = windows.heard;
        for (std::size_t i = 0; i < n; i++)
            windows.synthesis[i] = windows.heard[i] * static_cast<float>(2.0 / 3.0); // Spleeter's compensation
        return windows;
    }
    if (4 * synthesis >= 3 * n) {
        analysis = hann;
    } else {
        const std::size_t fall = std::min(synthesis - hop / 2, n / 2), rise = n - fall;
        for (std::size_t i = 0; i < n; i++)
            analysis[i] = i < rise ? std::sin(pi / 2 * (static_cast<double>(i) + 0.5) / static_cast<double>(rise))
                                   : std::sin(pi / 2 * (static_cast<double>(n - i) - 0.5) / static_cast<double>(fall));
    }
    const std::size_t first = n - synthesis;
    const std::size_t fade = std::max<std::size_t>(1, std::min<std::size_t>(n / 16, (synthesis - hop) / 2));
    for (std::size_t i = first; i < n; i++) {
        const double x = std::min(1.0, (static_cast<double>(i - first) + 0.5) / static_cast<double>(fade));
        weight[i] = std::sin(pi / 2 * x) * std::sin(pi / 2 * x);
    }
    std::vector<double> sums(hop); // of all samples a multiple of the hop apart
    for (std::size_t i = 0; i < n; i++)
        sums[i % hop] += weight[i] * analysis[i] * analysis[i];
    for (std::size_t i = 0; i < n; i++) {
        windows.analysis[i] = static_cast<float>(analysis[i]);
        windows.synthesis[i] = static_cast<float>(weight[i] * analysis[i] / sums[i % hop]);
    }
    return windows;
}

} // namespace spleeterrt
