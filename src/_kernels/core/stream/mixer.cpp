#include "stream/mixer.h"

#include "check.h"

#include <algorithm>

namespace spleeterrt {

Mixer::Mixer(const StreamOptions &options, std::size_t stems)
    : stems_(stems),
      ramp_(std::max<std::size_t>(1, static_cast<std::size_t>(options.ramp_seconds * options.sample_rate))),
      before_(options.pre_fader), gains_(new Gain[stems])
{
}

void Mixer::start()
{
    for (std::size_t s = 0; s < stems_; s++) {
        gains_[s].goal = gain(s);
        gains_[s].done = ramp_;
    }
}

void Mixer::read_gains()
{
    for (std::size_t s = 0; s < stems_; s++) {
        Gain &gain = gains_[s];
        const float target = gain.target.load(std::memory_order_relaxed);
        if (target != gain.goal) {
            gain.from = gain_at(gain, 0);
            gain.goal = target;
            gain.done = 0;
        }
    }
}

// The gain of the i-th sample from here.
float Mixer::gain_at(const Gain &gain, std::size_t i) const
{
    if (gain.done + i >= ramp_)
        return gain.goal;
    return gain.from + (gain.goal - gain.from) * (static_cast<float>(gain.done + i) / static_cast<float>(ramp_));
}

void Mixer::write(const float *const *stems, const StreamOutput *outs, const StreamOutput &mix, std::size_t at,
                  std::size_t count)
{
    SRT_DCHECK(stems && outs);
    const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(at), n = static_cast<std::ptrdiff_t>(count);
    for (std::size_t c = 0; c < stream_channels; c++) {
        float *sum = mix.channel[c] ? mix.channel[c] + first * mix.stride : nullptr;
        for (std::ptrdiff_t i = 0; sum && i < n; i++)
            sum[i * mix.stride] = 0.0f;
        for (std::size_t s = 0; s < stems_; s++) {
            const Gain &gain = gains_[s];
            const bool steady = gain.done >= ramp_;
            const float *from = stems[s] + c;
            float *to = outs[s].channel[c] ? outs[s].channel[c] + first * outs[s].stride : nullptr;
            for (std::ptrdiff_t i = 0; (to || sum) && i < n; i++) {
                const float plain = from[i * static_cast<std::ptrdiff_t>(stream_channels)];
                const float value = plain * (steady ? gain.goal : gain_at(gain, static_cast<std::size_t>(i)));
                if (to)
                    to[i * outs[s].stride] = before_ ? plain : value;
                if (sum)
                    sum[i * mix.stride] += value;
            }
        }
    }
    for (std::size_t s = 0; s < stems_; s++)
        gains_[s].done = std::min(gains_[s].done + count, ramp_);
}

} // namespace spleeterrt
