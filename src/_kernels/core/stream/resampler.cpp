#include "stream/resampler.h"

#include "check.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace spleeterrt {
namespace {

constexpr double pi = 3.14159265358979323846;

// Flat to 20 kHz of 44.1 kHz, everything that would fold below that at -100 dB: the transition is centred on the
// Nyquist frequency of the lower rate, its width relative to that frequency is
constexpr double transition = 0.186;
constexpr double attenuation = 100.0;

// Kaiser, Nonrecursive digital filter design using the I0-sinh window function, 1974.
const double beta = 0.1102 * (attenuation - 8.7);

double bessel_i0(double x)
{
    double sum = 1.0, term = 1.0;
    for (int k = 1; k < 60; k++) {
        term *= (x / (2.0 * k)) * (x / (2.0 * k));
        sum += term;
    }
    return sum;
}

// Cutoff as a fraction of the input's Nyquist frequency.
double cutoff(unsigned from, unsigned to) { return std::min(1.0, static_cast<double>(to) / from); }

// Half the length of the impulse response, in input samples.
double half_length(unsigned from, unsigned to)
{
    return (attenuation - 7.95) / (2.285 * pi * transition * cutoff(from, to)) / 2.0;
}

} // namespace

bool ResamplerFilter::possible(unsigned from, unsigned to)
{
    const unsigned divisor = std::gcd(from, to);
    // the response of extreme ratios would be longer than a frame
    return divisor && to / divisor <= most_phases && from / divisor <= most_phases && from <= 16ull * to &&
           to <= 16ull * from;
}

// The newest input is at most one sample behind the output's place in the input.
double ResamplerFilter::least_delay(unsigned from, unsigned to) { return half_length(from, to) + 1.0; }

ResamplerFilter::ResamplerFilter(unsigned from, unsigned to, double extra)
{
    const unsigned divisor = std::gcd(from, to);
    from_ = from / divisor;
    to_ = to / divisor;
    const double half = half_length(from, to), width = cutoff(from, to);
    delay_ = least_delay(from, to) + extra;
    taps_ = (static_cast<std::size_t>(std::ceil(delay_ + half)) + 1 + 7) / 8 * 8;
    table_.resize(to_ * taps_);
    std::vector<double> row(taps_);
    for (std::uint64_t phase = 0; phase < to_; phase++) {
        // The output's place, from the newest input on.
        const double place = static_cast<double>(phase) / static_cast<double>(to_) - delay_;
        double sum = 0.0;
        for (std::size_t t = 0; t < taps_; t++) {
            const double d = place + static_cast<double>(taps_ - 1 - t);
            double value = 0.0;
            if (std::fabs(d) < half) {
                const double x = d / half;
                const double sinc = d == 0.0 ? 1.0 : std::sin(pi * width * d) / (pi * width * d);
                value = sinc * bessel_i0(beta * std::sqrt(1.0 - x * x));
            }
            row[t] = value;
            sum += value;
        }
        for (std::size_t t = 0; t < taps_; t++)
            table_[phase * taps_ + t] = static_cast<float>(row[t] / sum);
    }
}

Resampler::Resampler(const ResamplerFilter &filter) : filter_(&filter), history_(4 * filter.taps()) {}

void Resampler::start(std::int64_t pushed, std::uint64_t made)
{
    std::fill(history_.begin(), history_.end(), 0.0f);
    at_ = 0;
    pushed_ = pushed;
    made_ = made;
}

void Resampler::push(float left, float right)
{
    const std::size_t taps = filter_->taps();
    history_[at_] = history_[at_ + taps] = left;
    history_[2 * taps + at_] = history_[3 * taps + at_] = right;
    at_ = at_ + 1 == taps ? 0 : at_ + 1;
    pushed_++;
}

void Resampler::next(float &left, float &right)
{
    SRT_DCHECK(ready());
    const std::size_t taps = filter_->taps();
    const float *weights = filter_->phase(made_++);
    const float *channels[2] = {history_.data() + at_, history_.data() + 2 * taps + at_};
    float out[2];
    for (int c = 0; c < 2; c++) {
        float sums[8] = {};
        for (std::size_t t = 0; t < taps; t += 8)
            for (int i = 0; i < 8; i++)
                sums[i] += weights[t + i] * channels[c][t + i];
        out[c] = ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
    }
    left = out[0];
    right = out[1];
}

} // namespace spleeterrt
