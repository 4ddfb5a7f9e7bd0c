// What an engine has done so far. Written by its threads, read by any.
#ifndef SPLEETERRT_STREAM_STATISTICS_H
#define SPLEETERRT_STREAM_STATISTICS_H

#include <atomic>
#include <cstdint>

namespace spleeterrt {

struct StreamStats {
    std::uint64_t runs = 0;                        // finished runs of the networks
    std::uint64_t underruns = 0;                   // runs that were not ready when due
    std::uint64_t dropped = 0;                     // runs that never began, because newer ones were waiting
    std::uint64_t covered_frames = 0;              // frames under an older mask than their own
    std::uint64_t repaired = 0;                    // input samples that were not numbers, or absurdly large: made zero
    double load = 0;                               // seconds of a run over the seconds between runs, smoothed
    double run_seconds = 0, worst_run_seconds = 0; // from due to begin until ready
    double process_seconds = 0, worst_process_seconds = 0; // of `process`: smoothed, worst
    double process_load = 0;                               // process_seconds over the time of its blocks, smoothed
    bool priority_refused = false;                         // the system does not allow options.priority
};

// A duration: its running mean, which begins with the first value, and its worst.
class Timing {
public:
    void add(double value)
    {
        smooth(value);
        double seen = worst_.load(std::memory_order_relaxed);
        while (value > seen && !worst_.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
        }
    }
    double mean() const { return mean_.load(std::memory_order_relaxed); }
    double worst() const { return worst_.load(std::memory_order_relaxed); }
    void reset()
    {
        mean_.store(0, std::memory_order_relaxed);
        worst_.store(0, std::memory_order_relaxed);
    }

private:
    static constexpr double latest = 0.1; // the weight of the latest value
    void smooth(double value)
    {
        const double before = mean_.load(std::memory_order_relaxed);
        mean_.store(before == 0 ? value : before * (1 - latest) + value * latest, std::memory_order_relaxed);
    }

    std::atomic<double> mean_{0}, worst_{0};
};

} // namespace spleeterrt

#endif
