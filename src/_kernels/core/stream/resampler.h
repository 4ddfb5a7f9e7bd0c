// Streaming rational resampling of stereo, by a polyphase windowed sinc of exactly known delay.
//
// Every output is a fixed sum over inputs given by its index alone, so results do not depend on how the
// signal is cut into calls. Nothing is allocated after construction.
#ifndef SPLEETERRT_STREAM_RESAMPLER_H
#define SPLEETERRT_STREAM_RESAMPLER_H

#include "realtime.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace spleeterrt {

// Output m stands at input time m * from / to - delay, of which no input behind index floor(m * from / to) is
// needed.
class ResamplerFilter {
public:
    static constexpr std::size_t most_phases = 1024;

    // Rates in Hz; `extra` (>= 0) is added to the least delay, in input samples.
    ResamplerFilter(unsigned from, unsigned to, double extra = 0.0);

    static bool possible(unsigned from, unsigned to); // few enough phases
    static double least_delay(unsigned from, unsigned to);

    std::uint64_t from() const { return from_; } // reduced
    std::uint64_t to() const { return to_; }
    double delay() const { return delay_; }
    std::size_t taps() const { return taps_; } // a multiple of 8
    const float *phase(std::uint64_t m) const { return table_.data() + (m * from_ % to_) * taps_; }
    // The last input that output m needs.
    std::int64_t last_input(std::uint64_t m) const { return static_cast<std::int64_t>(m * from_ / to_); }

private:
    std::uint64_t from_, to_;
    std::size_t taps_;
    double delay_;
    std::vector<float> table_; // [to][taps], oldest input first
};

// One signal's way through a filter.
class Resampler {
public:
    explicit Resampler(const ResamplerFilter &filter);
    // As if `pushed` zeros had come and `made` outputs had gone.
    void start(std::int64_t pushed = 0, std::uint64_t made = 0);

    // Add an input; whether `next` outputs can follow is the filter's `last_input`.
    void push(float left, float right) SRT_NONBLOCKING;
    bool ready() const { return filter_->last_input(made_) < pushed_; }
    void next(float &left, float &right) SRT_NONBLOCKING;

private:
    const ResamplerFilter *filter_;
    std::vector<float> history_; // [2][2 * taps]: each channel twice in a row, so that a window is contiguous
    std::size_t at_ = 0;
    std::int64_t pushed_ = 0;
    std::uint64_t made_ = 0;
};

} // namespace spleeterrt

#endif
