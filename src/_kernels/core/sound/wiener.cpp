#include "sound/wiener.h"
#include "denormals.h"

#include <cmath>

namespace spleeterrt {

namespace {

constexpr std::size_t channels = 2;

// A Hermitian 2x2 matrix [[a, c], [conj c, b]].
struct Hermitian {
    double a = 0, b = 0;
    std::complex<double> c{};
};

struct Pixel {
    std::complex<double> x[channels]; // mix
    const float *v;                   // magnitudes of stem 0, [2]
    double total[channels];           // eps + sum of the magnitudes over stems
};

Pixel read_pixel(const WienerInput &in, std::size_t frame, std::size_t bin)
{
    Pixel p;
    p.v = in.magnitudes + (frame * in.f + bin) * channels;
    for (std::size_t c = 0; c < channels; c++) {
        p.x[c] = in.spectrum[(frame * in.bins + bin) * channels + c];
        p.total[c] = in.eps;
        for (std::size_t s = 0; s < in.stems; s++)
            p.total[c] += p.v[s * in.plane + c];
    }
    return p;
}

// First estimate of one stem: its share of the mix, per channel.
void first_estimate(const WienerInput &in, const Pixel &p, std::size_t stem, std::complex<double> y[channels])
{
    for (std::size_t c = 0; c < channels; c++)
        y[c] = p.x[c] * (p.v[stem * in.plane + c] / p.total[c]);
}

} // namespace

void wiener_accumulate(const WienerInput &in, std::size_t frames, std::size_t first_bin, std::size_t last_bin,
                       double *sums)
{
    const NoDenormals fast;
    for (std::size_t t = 0; t < frames; t++)
        for (std::size_t k = first_bin; k < last_bin; k++) {
            const Pixel p = read_pixel(in, t, k);
            for (std::size_t s = 0; s < in.stems; s++) {
                std::complex<double> y[channels];
                first_estimate(in, p, s, y);
                const std::complex<double> cross = y[0] * std::conj(y[1]);
                double *sum = sums + (s * in.f + k) * covariance_terms;
                sum[0] += std::norm(y[0]);
                sum[1] += std::norm(y[1]);
                sum[2] += cross.real();
                sum[3] += cross.imag();
            }
        }
}

void wiener_apply(const WienerInput &in, std::size_t frame, double scale, const double *sums, std::complex<float> *out)
{
    const NoDenormals fast;
    // norbert divides x and y by `scale`: powers by scale^2.
    const double unit = 1.0 / (scale * scale);
    const double regularization = std::sqrt(in.eps);
    for (std::size_t k = 0; k < in.f; k++) {
        const Pixel p = read_pixel(in, frame, k);
        // Mix covariance C = sum_s power_s R_s + sqrt(eps) I, R_s the spatial covariance.
        Hermitian mix;
        mix.a = mix.b = regularization;
        for (std::size_t pass = 0; pass < 2; pass++) {
            double det = 1.0;
            if (pass == 1)
                det = mix.a * mix.b - std::norm(mix.c);
            for (std::size_t s = 0; s < in.stems; s++) {
                std::complex<double> y[channels];
                first_estimate(in, p, s, y);
                const double power = 0.5 * (std::norm(y[0]) + std::norm(y[1])) * unit;
                const double *sum = sums + (s * in.f + k) * covariance_terms;
                const double weight = power * unit / (in.eps + 0.5 * (sum[0] + sum[1]) * unit);
                Hermitian r;
                r.a = weight * sum[0];
                r.b = weight * sum[1];
                r.c = {weight * sum[2], weight * sum[3]};
                if (pass == 0) {
                    mix.a += r.a;
                    mix.b += r.b;
                    mix.c += r.c;
                    continue;
                }
                // C^-1 x, then R times it.
                const std::complex<double> z0 = (mix.b * p.x[0] - mix.c * p.x[1]) / det;
                const std::complex<double> z1 = (mix.a * p.x[1] - std::conj(mix.c) * p.x[0]) / det;
                std::complex<float> *target = out + (s * in.f + k) * channels;
                target[0] = std::complex<float>(r.a * z0 + r.c * z1);
                target[1] = std::complex<float>(std::conj(r.c) * z0 + r.b * z1);
            }
        }
    }
}

} // namespace spleeterrt
