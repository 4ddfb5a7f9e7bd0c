// Gains: stems and their sum, into the caller's arrays.
#ifndef SPLEETERRT_STREAM_MIXER_H
#define SPLEETERRT_STREAM_MIXER_H

#include "realtime.h"
#include "stream/options.h"
#include "stream/signal.h"

#include <atomic>
#include <memory>

namespace spleeterrt {

class Mixer {
public:
    Mixer(const StreamOptions &options, std::size_t stems);

    // Gains are at their targets.
    void start();
    // Gains go to their targets from here on, smoothly.
    void read_gains() SRT_NONBLOCKING;
    // The next `count` samples: stems[s]: [count][2], to the places from `at` on.
    void write(const float *const *stems, const StreamOutput *outs, const StreamOutput &mix, std::size_t at,
               std::size_t count) SRT_NONBLOCKING;

    // From any thread.
    void set_gain(std::size_t stem, float gain) { gains_[stem].target.store(gain, std::memory_order_relaxed); }
    float gain(std::size_t stem) const { return gains_[stem].target.load(std::memory_order_relaxed); }

private:
    struct Gain { // goes to its goal over ramp_ samples
        std::atomic<float> target{1.0f};
        float from = 1.0f, goal = 1.0f;
        std::size_t done = 0;
    };
    float gain_at(const Gain &gain, std::size_t i) const SRT_NONBLOCKING;

    const std::size_t stems_, ramp_;
    const bool before_; // stems come out before their gains
    std::unique_ptr<Gain[]> gains_;
};

} // namespace spleeterrt

#endif
