#include "live/callback.h"

#include "clock.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

namespace spleeterrt {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
const double fall = std::log(10.0); // per second: 20 dB

void silence(const StreamOutput &out, std::size_t count)
{
    for (float *channel : out.channel)
        for (std::size_t i = 0; channel && i < count; i++)
            channel[static_cast<std::ptrdiff_t>(i) * out.stride] = 0.0f;
}

} // namespace

StreamInput Downmix::mix(const float *const *channel, std::ptrdiff_t stride, std::size_t count)
{
    if (weights_.empty())
        return {{channel[0], channel[1]}, stride};
    static const float zero = 0.0f;
    if (count > most_)
        return {{&zero, &zero}, 0};
    for (std::size_t side = 0; side < 2; side++) {
        float *to = planes_.data() + side * most_;
        std::fill_n(to, count, 0.0f);
        for (std::size_t c = 0; c < channels(); c++) {
            const float weight = weights_[2 * c + side];
            for (std::size_t i = 0; weight != 0.0f && i < count; i++)
                to[i] += weight * channel[c][static_cast<std::ptrdiff_t>(i) * stride];
        }
    }
    return {{planes_.data(), planes_.data() + most_}, 1};
}

// Either the callback sees that there is no engine, or this sees that the callback is busy: both write before they
// read, in one order for all (sequentially consistent).
void LiveCallback::use(const LiveSource *source)
{
    source_.store(nullptr);
    while (busy_.load())
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    if (source) {
        current_ = *source;
        source_.store(&current_);
    }
}

void LiveCallback::forget()
{
    source_.store(nullptr);
    busy_.store(false);
}

void LiveCallback::run(const StreamInput &in, const StreamOutput *outs, const StreamOutput &mix, std::size_t count)
{
    const double begun = seconds(), lasts = static_cast<double>(count) / sample_rate_;
    const float decay = static_cast<float>(std::exp(-fall * lasts));
    meter(stems_, in.channel, in.stride, count, decay); // first: the output may be the same memory
    busy_.store(true);
    const LiveSource *source = source_.load();
    if (source && source->takes(count)) {
        source->process(source->engine, in, outs, mix, count);
    } else {
        for (std::size_t s = 0; s < stems_; s++)
            silence(outs[s], count);
        silence(mix, count);
        silent_.fetch_add(1, relaxed);
    }
    busy_.store(false);
    for (std::size_t s = 0; s <= stems_; s++) {
        const StreamOutput &out = s < stems_ ? outs[s] : mix;
        const std::size_t beyond = meter(s < stems_ ? s : stems_ + 1, out.channel, out.stride, count, decay);
        if (s == played_ && beyond)
            clipped_.fetch_add(beyond, relaxed);
    }
    const double took = seconds() - begun;
    callbacks_.fetch_add(1, relaxed);
    if (took > lasts)
        missed_.fetch_add(1, relaxed);
    if (took > worst_.load(relaxed))
        worst_.store(took, relaxed);
}

std::size_t LiveCallback::meter(std::size_t i, const float *const *channel, std::ptrdiff_t stride, std::size_t count,
                                float decay)
{
    std::size_t beyond = 0;
    float peak = levels_[i].load(relaxed) * decay;
    if (peak < 1e-9f)
        peak = 0.0f;
    for (std::size_t c = 0; c < 2; c++)
        for (std::size_t at = 0; channel[c] && at < count; at++) {
            const float value = std::fabs(channel[c][static_cast<std::ptrdiff_t>(at) * stride]);
            peak = std::fmax(peak, value);
            beyond += value > 1.0f;
        }
    levels_[i].store(peak, relaxed);
    return beyond;
}

LiveStats LiveCallback::stats() const
{
    LiveStats s;
    s.callbacks = callbacks_.load(relaxed);
    s.xruns = xruns_.load(relaxed);
    s.missed = missed_.load(relaxed);
    s.silent = silent_.load(relaxed);
    s.clipped = clipped_.load(relaxed);
    s.worst_seconds = worst_.load(relaxed);
    return s;
}

void LiveCallback::reset_stats()
{
    for (auto *count : {&callbacks_, &xruns_, &missed_, &silent_, &clipped_})
        count->store(0, relaxed);
    worst_.store(0, relaxed);
}

} // namespace spleeterrt
