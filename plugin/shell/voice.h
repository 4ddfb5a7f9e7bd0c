// What is heard in the stem buses: an engine, or without one the mix as the last stem; each with its latency.
#ifndef SPLEETERRT_PLUGIN_VOICE_H
#define SPLEETERRT_PLUGIN_VOICE_H

#include "shell/delay.h"
#include "shell/loader.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace spleeterrt::plugin {

// Samples of all channels of the stems, and of the delayed mix.
class Sound {
public:
    void resize(int stems, std::uint32_t block);
    float *const *stems() { return stems_; } // two channels of each
    float *const *dry() { return dry_; }
    // Towards `to`, of the way to which the i-th sample has gone `share` + i `step`, at most 1, without kinks.
    void blend(const Sound &to, std::uint32_t count, float share, float step);

private:
    std::vector<float> samples_;
    int channels_ = 0; // of the stems
    float *stems_[2 * most_stems] = {}, *dry_[2] = {};
};

class Voice {
public:
    Voice() = default;
    Voice(std::unique_ptr<Delivery> delivery, std::uint32_t latency) : delivery_(std::move(delivery)), latency_(latency)
    {
    }

    Engine *engine() const { return delivery_ ? delivery_->engine.get() : nullptr; }
    std::uint32_t latency() const { return latency_; }
    // With its delivery, if it has one; without one there is no engine.
    Delivery *release() { return delivery_.release(); }

    // The next sample is number `position` of the signal, of which this voice hears what `past` keeps, if `history`.
    void begin(const Past &past, bool history, std::uint32_t block, Sound &scratch);
    // Whether it has heard all that it gives out at `position`.
    bool ready(std::uint64_t position) const { return !engine() || from_ == 0 || position >= from_ + latency_; }
    // The samples that come out while `count` go in. `past` has them already.
    void process(const float *const *in, std::uint32_t count, const Past &past, int stems, Sound &sound);

private:
    std::unique_ptr<Delivery> delivery_;
    std::uint32_t latency_ = 0;
    std::uint64_t from_ = 0; // the first sample that the engine has heard
};

} // namespace spleeterrt::plugin

#endif
