// A signal in windows of equal length, each some way behind the one before.
#ifndef SPLEETERRT_OFFLINE_WINDOW_H
#define SPLEETERRT_OFFLINE_WINDOW_H

#include "aligned.h"
#include "check.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace spleeterrt {

// The n-th window begins n * advance samples into the signal with `front` zeros before it. What the signal does not
// fill is zeros.
class SignalWindow {
public:
    // front <= length, advance > 0.
    SignalWindow(std::size_t length, std::size_t advance, std::size_t front)
        : samples_(AlignedFloats::in_large_pages(length * channels)), length_(length), advance_(advance), front_(front)
    {
        SRT_DCHECK(front <= length && advance > 0);
        begin();
    }

    void begin()
    {
        std::fill_n(samples_.data(), front_ * channels, 0.0f);
        have_ = front_;
    }

    const float *samples() const { return samples_.data(); } // [length][2]
    bool full() const { return have_ == length_; }

    // How many of `count` stereo samples fit.
    std::size_t fill(const float *samples, std::size_t count)
    {
        const std::size_t taken = std::min(count, length_ - have_);
        if (taken)
            std::memcpy(samples_.data() + have_ * channels, samples, taken * channels * sizeof(float));
        have_ += taken;
        return taken;
    }

    // The signal has ended.
    void pad() { std::fill(samples_.data() + have_ * channels, samples_.data() + length_ * channels, 0.0f); }

    void next()
    {
        if (advance_ < length_)
            std::memmove(samples_.data(), samples_.data() + advance_ * channels,
                         (length_ - advance_) * channels * sizeof(float));
        have_ = have_ > advance_ ? have_ - advance_ : 0;
    }

private:
    static constexpr std::size_t channels = 2;
    AlignedFloats samples_;
    const std::size_t length_, advance_, front_;
    std::size_t have_ = 0;
};

} // namespace spleeterrt

#endif
