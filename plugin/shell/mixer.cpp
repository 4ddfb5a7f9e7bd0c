#include "shell/mixer.h"

#include <algorithm>

namespace spleeterrt::plugin {

constexpr double ramp_seconds = 0.010;

void Mixer::prepare(int stems, double rate, const MixGoals &goals)
{
    stems_ = stems;
    ramp_ = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(ramp_seconds * rate));
    jump(goals);
}

void Mixer::set(const MixGoals &goals)
{
    for (int s = 0; s < stems_; s++)
        gain_[s].set(goals.gain[s], ramp_);
    wet_.set(goals.wet, ramp_);
}

void Mixer::jump(const MixGoals &goals)
{
    for (int s = 0; s < stems_; s++)
        gain_[s].jump(goals.gain[s]);
    wet_.jump(goals.wet);
}

void Mixer::process(const float *const *stems, const float *const *dry, float *const *mix, std::uint32_t count)
{
    for (std::uint32_t at = 0; at < count; at += piece)
        process_piece(stems, dry, mix, at, std::min(piece, count - at));
}

void Mixer::process_piece(const float *const *stems, const float *const *dry, float *const *mix, std::uint32_t at,
                          std::uint32_t count)
{
    float sum[2][piece] = {}, factor[piece];
    for (int s = 0; s < stems_; s++) {
        for (std::uint32_t i = 0; i < count; i++)
            factor[i] = gain_[s].next();
        for (int c = 0; c < 2; c++)
            for (std::uint32_t i = 0; i < count; i++)
                sum[c][i] += factor[i] * stems[2 * s + c][at + i];
    }
    for (std::uint32_t i = 0; i < count; i++)
        factor[i] = wet_.next();
    for (int c = 0; c < 2; c++)
        for (std::uint32_t i = 0; mix[c] && i < count; i++)
            mix[c][at + i] = factor[i] * sum[c][i] + (1.0f - factor[i]) * dry[c][at + i];
}

} // namespace spleeterrt::plugin
