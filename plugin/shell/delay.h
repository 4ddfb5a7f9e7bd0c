// A stereo signal's past, so that any of it can be heard again.
#ifndef SPLEETERRT_PLUGIN_DELAY_H
#define SPLEETERRT_PLUGIN_DELAY_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace spleeterrt::plugin {

class Past {
public:
    // Forgets everything; the last `samples` will be kept.
    void resize(std::size_t samples)
    {
        for (std::vector<float> &ring : ring_)
            ring.assign(std::max<std::size_t>(samples, 1), 0.0f);
        clear();
    }
    void clear() { heard_ = 0; }

    std::uint64_t heard() const { return heard_; } // samples since it was cleared
    std::size_t kept() const { return static_cast<std::size_t>(std::min<std::uint64_t>(heard_, ring_[0].size())); }

    void add(const float *const *in, std::size_t count)
    {
        const std::size_t at = place(heard_), first = std::min(count, ring_[0].size() - at);
        for (int c = 0; c < 2; c++) {
            std::copy_n(in[c], first, ring_[c].data() + at);
            std::copy_n(in[c] + first, count - first, ring_[c].data());
        }
        heard_ += count;
    }

    // The `count` samples from `position` on, which may lie before the first one: silence.
    void get(std::int64_t position, float *const *out, std::size_t count) const
    {
        std::size_t silent = 0;
        if (position < 0)
            silent = static_cast<std::size_t>(std::min<std::int64_t>(-position, static_cast<std::int64_t>(count)));
        const std::size_t wanted = count - silent;
        const std::size_t at = place(static_cast<std::uint64_t>(std::max<std::int64_t>(position, 0)));
        const std::size_t first = std::min(wanted, ring_[0].size() - at);
        for (int c = 0; c < 2; c++) {
            std::fill_n(out[c], silent, 0.0f);
            std::copy_n(ring_[c].data() + at, first, out[c] + silent);
            std::copy_n(ring_[c].data(), wanted - first, out[c] + silent + first);
        }
    }

private:
    std::size_t place(std::uint64_t position) const { return static_cast<std::size_t>(position % ring_[0].size()); }

    std::vector<float> ring_[2] = {{0.0f}, {0.0f}};
    std::uint64_t heard_ = 0;
};

} // namespace spleeterrt::plugin

#endif
