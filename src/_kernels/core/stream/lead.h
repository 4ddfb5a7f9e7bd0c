// How far a caller is ahead of the clock: whether it plays, or renders faster than that.
#ifndef SPLEETERRT_STREAM_LEAD_H
#define SPLEETERRT_STREAM_LEAD_H

#include <algorithm>

namespace spleeterrt {

// A leaky bucket: blocks fill it, time empties it. A caller that plays fills it with no more than its largest block and
// what its callbacks are early or late by; one that renders has filled it before the first masks are due, which is two
// steps of a frame and the largest block after the beginning. Clocks differ, hence the leak. What lies above the brim
// is lost, so that a caller that has rendered and now plays is seen as such at once.
//
// A caller that plays and was held up hurries until it is in time again. What it is behind is remembered for that, or
// its hurry would be taken for rendering: it would be made to wait, be still further behind, and never be in time
// again.
//
// Where nobody promises a largest block, those that come say what it is, from the first on.
//
// Time that the caller spends waiting for networks must not count. With it every wait would empty the bucket, the next
// frame would not be waited for, and so on by turns.
class Lead {
public:
    // In seconds: the largest block as far as is known, the step of frames; the largest that may turn out to be.
    Lead(double block, double step, double largest = 0)
        : block_(block), step_(step), largest_(std::max(block, largest)), enough_(enough(block))
    {
    }

    void reset()
    {
        begun_ = false;
        lead_ = 0;
    }
    // A block of `duration` seconds has come at `now` of a clock that stands still while the caller waits.
    void came(double now, double duration)
    {
        if (duration > block_) {
            block_ = std::min(duration, largest_);
            enough_ = enough(block_);
        }
        const double passed = begun_ ? std::max(0.0, now - last_) : 0.0;
        const double before = lead_ - passed;
        lead_ = before > 0 ? std::max(0.0, before - leak * passed) : std::min(0.0, before + forgiven * passed);
        lead_ = std::min(std::max(lead_, -patience) + duration, 2 * enough_);
        last_ = now;
        begun_ = true;
    }
    bool ahead() const { return begun_ && lead_ > enough_; }

private:
    double enough(double block) const { return block + 0.8 * step_; }

    static constexpr double leak = 0.1, forgiven = 0.002; // of the time that passes
    static constexpr double patience = 3;                 // seconds
    double block_, step_, largest_, enough_, lead_ = 0, last_ = 0;
    bool begun_ = false;
};

} // namespace spleeterrt

#endif
