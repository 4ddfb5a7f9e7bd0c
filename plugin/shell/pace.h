// Whether a host that does not say so renders: it hands over sound faster than that would play.
#ifndef SPLEETERRT_PLUGIN_PACE_H
#define SPLEETERRT_PLUGIN_PACE_H

#include <algorithm>

namespace spleeterrt::plugin {

// How far the host is ahead of the clock, in seconds. One that renders is ahead before anything is due: two steps of a
// frame and a block after the beginning. One that plays may be held up, and then hurries until it is in time again:
// what it is behind is remembered, or its hurry would be taken for rendering, and it would be held up for good. Clocks
// differ, hence the leak.
class Pace {
public:
    // Seconds: of the largest block, of the step of frames.
    Pace(double block, double step) : enough_(block + 0.8 * step) {}

    // A block of `duration` has come at `now`.
    void came(double now, double duration)
    {
        const double passed = begun_ ? std::max(0.0, now - waited_ - last_) : 0.0;
        ahead_ = std::min(std::max(ahead_ - leak * passed, -patience) + duration, 2 * enough_);
        last_ = now - waited_;
        begun_ = true;
    }
    // Time that is spent waiting for engines and networks does not pass, or the next block would seem to be played.
    void waited(double time) { waited_ += time; }
    bool ahead() const { return ahead_ > enough_; }

private:
    static constexpr double leak = 1.1, patience = 3;
    double enough_, ahead_ = 0, last_ = 0, waited_ = 0;
    bool begun_ = false;
};

} // namespace spleeterrt::plugin

#endif
