// What the callbacks of all audio clients do: one call of the engine, meters, counts. No lock, no allocation, no
// message.
#ifndef SPLEETERRT_LIVE_CALLBACK_H
#define SPLEETERRT_LIVE_CALLBACK_H

#include "live/source.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace spleeterrt {

struct LiveStats {
    std::uint64_t callbacks = 0;
    std::uint64_t xruns = 0;   // that the server or the driver told of
    std::uint64_t missed = 0;  // callbacks of ours that took longer than their block lasts
    std::uint64_t silent = 0;  // callbacks without an engine for their block: silence was played
    std::uint64_t clipped = 0; // samples beyond full scale in what is played, which a sound card cuts off
    double worst_seconds = 0;  // of a callback
};

// More than two channels to stereo, by weights.
class Downmix {
public:
    // weights: [channels][2], or empty: the first two channels as they are (one: on both sides). most: the longest
    // block.
    Downmix(const std::vector<float> &weights, std::size_t most)
        : weights_(weights), most_(most), planes_(weights.empty() ? 0 : 2 * most)
    {
    }

    std::size_t channels() const { return weights_.empty() ? 2 : weights_.size() / 2; }
    // channel[channels()]: sample i of each at [i * stride]. Blocks longer than the longest are silent.
    StreamInput mix(const float *const *channel, std::ptrdiff_t stride, std::size_t count);

private:
    const std::vector<float> weights_;
    const std::size_t most_;
    std::vector<float> planes_; // [2][most]
};

class LiveCallback {
public:
    // played: of the stems the one that a sound card plays; stems: the mix.
    LiveCallback(std::size_t stems, double sample_rate, std::size_t played)
        : stems_(stems), played_(played), sample_rate_(sample_rate), levels_(new std::atomic<float>[stems + 2]())
    {
    }

    // Not from a callback: the engine from here on, or nullptr for silence. Returns when the callback no longer
    // uses the one before.
    void use(const LiveSource *source);
    // When the callback can run no more.
    void forget();

    // In the callback: fills all channels that are not nullptr.
    void run(const StreamInput &in, const StreamOutput *outs, const StreamOutput &mix, std::size_t count);
    void xrun() { xruns_.fetch_add(1, std::memory_order_relaxed); }

    // From any thread.
    std::size_t stems() const { return stems_; }
    LiveStats stats() const;
    void reset_stats();
    // Of the stems, the input, the mix: the peak, falling by 20 dB a second.
    float level(std::size_t i) const { return levels_[i].load(std::memory_order_relaxed); }

private:
    // Returns how many samples are beyond full scale.
    std::size_t meter(std::size_t i, const float *const *channel, std::ptrdiff_t stride, std::size_t count,
                      float decay);

    const std::size_t stems_, played_;
    const double sample_rate_;
    LiveSource current_;
    std::atomic<const LiveSource *> source_{nullptr};
    std::atomic<bool> busy_{false};
    std::unique_ptr<std::atomic<float>[]> levels_;
    std::atomic<std::uint64_t> callbacks_{0}, xruns_{0}, missed_{0}, silent_{0}, clipped_{0};
    std::atomic<double> worst_{0};
};

// A client of an audio system. Functions that may fail throw std::runtime_error.
class AudioClient {
public:
    virtual ~AudioClient() = default;
    virtual std::string name() const = 0; // of the client in the graph, or of the devices
    virtual unsigned sample_rate() const = 0;
    virtual std::size_t block() const = 0;
    // Whether the callback is known to run in real time, and at which priority (0: not known).
    virtual bool realtime() const { return false; }
    virtual int priority() const { return 0; }
    virtual double device_latency() const { return 0.0; } // seconds that devices outside of a graph add
    virtual int device_inputs() const { return 0; }       // channels of such a device; 0: it is in a graph
    virtual std::string ended() const = 0;                // why no more sound comes, or ""
    // The engine from here on; it must live until another one or nullptr replaces it.
    virtual void use(const LiveSource *source) = 0;
    virtual void start() = 0;
    virtual LiveCallback &callback() = 0;
};

} // namespace spleeterrt

#endif
