// Stems under gains, mutes and solos into the mix, and past all of it (bypass), without clicks.
#ifndef SPLEETERRT_PLUGIN_MIXER_H
#define SPLEETERRT_PLUGIN_MIXER_H

#include "shell/product.h"

#include <cstdint>

namespace spleeterrt::plugin {

// A value that moves to its goal in a straight line.
class Ramp {
public:
    void set(float goal, std::uint32_t samples)
    {
        if (goal == goal_)
            return;
        goal_ = goal;
        left_ = samples;
        step_ = (goal - value_) / static_cast<float>(samples);
    }
    void jump(float goal)
    {
        value_ = goal_ = goal;
        left_ = 0;
    }
    bool steady() const { return left_ == 0; }
    float value() const { return value_; }
    float next()
    {
        if (left_ && --left_)
            value_ += step_;
        else
            value_ = goal_;
        return value_;
    }

private:
    float value_ = 1, goal_ = 1, step_ = 0;
    std::uint32_t left_ = 0;
};

struct MixGoals {
    float gain[most_stems]; // linear
    float wet;              // 0: bypassed
};

class Mixer {
public:
    void prepare(int stems, double rate, const MixGoals &goals);
    void set(const MixGoals &goals);
    void jump(const MixGoals &goals);
    // mix: two channels, either of which may be nullptr.
    void process(const float *const *stems, const float *const *dry, float *const *mix, std::uint32_t count);

private:
    static constexpr std::uint32_t piece = 64;
    void process_piece(const float *const *stems, const float *const *dry, float *const *mix, std::uint32_t at,
                       std::uint32_t count);

    int stems_ = 0;
    std::uint32_t ramp_ = 1; // samples
    Ramp gain_[most_stems], wet_;
};

} // namespace spleeterrt::plugin

#endif
