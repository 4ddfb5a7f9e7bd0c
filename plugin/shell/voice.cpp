#include "shell/voice.h"

#include <algorithm>

namespace spleeterrt::plugin {

void Sound::resize(int stems, std::uint32_t block)
{
    channels_ = 2 * stems;
    samples_.assign(static_cast<std::size_t>(channels_ + 2) * block, 0.0f);
    float *next = samples_.data();
    for (int c = 0; c < channels_; c++, next += block)
        stems_[c] = next;
    for (int c = 0; c < 2; c++, next += block)
        dry_[c] = next;
}

void Sound::blend(const Sound &to, std::uint32_t count, float share, float step)
{
    const auto mix = [&](float *a, const float *b) {
        for (std::uint32_t i = 0; i < count; i++) {
            const float x = std::min(1.0f, share + static_cast<float>(i) * step), w = x * x * (3.0f - 2.0f * x);
            a[i] += w * (b[i] - a[i]);
        }
    };
    for (int c = 0; c < channels_; c++)
        mix(stems_[c], to.stems_[c]);
    for (int c = 0; c < 2; c++)
        mix(dry_[c], to.dry_[c]);
}

void Voice::begin(const Past &past, bool history, std::uint32_t block, Sound &scratch)
{
    const std::uint64_t position = past.heard();
    from_ = position - (history ? past.kept() : 0);
    if (!engine())
        return;
    engine()->start(from_);
    for (std::uint64_t at = from_; at < position;) {
        const std::uint32_t n = static_cast<std::uint32_t>(std::min<std::uint64_t>(block, position - at));
        past.get(static_cast<std::int64_t>(at), scratch.dry(), n);
        engine()->process(scratch.dry(), scratch.stems(), n);
        at += n;
    }
}

void Voice::process(const float *const *in, std::uint32_t count, const Past &past, int stems, Sound &sound)
{
    const std::int64_t first = static_cast<std::int64_t>(past.heard()) - count - latency_; // that comes out
    past.get(first, sound.dry(), count);
    float *const *out = sound.stems();
    if (engine()) {
        engine()->process(in, out, count);
        // Before the signal begins there is nothing to hear: no echo of its first samples either.
        const std::int64_t silent = std::min<std::int64_t>(std::max<std::int64_t>(-first, 0), count);
        for (int c = 0; c < 2 * stems; c++)
            std::fill_n(out[c], silent, 0.0f);
        return;
    }
    for (int c = 0; c < 2 * stems; c++)
        if (c < 2 * stems - 2)
            std::fill_n(out[c], count, 0.0f);
        else
            std::copy_n(sound.dry()[c % 2], count, out[c]);
}

} // namespace spleeterrt::plugin
