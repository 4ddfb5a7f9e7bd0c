// The inside of Shell.
#ifndef SPLEETERRT_PLUGIN_BODY_H
#define SPLEETERRT_PLUGIN_BODY_H

#include "shell/delay.h"
#include "shell/loader.h"
#include "shell/mixer.h"
#include "shell/shell.h"
#include "shell/voice.h"
#include "stream/lead.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace spleeterrt::plugin {

class Shell::Body {
public:
    Body(const Product &product, LatencyChange when, std::string binary);

    void activate(double rate, std::uint32_t block, std::uint32_t largest);
    void deactivate() { active_.store(false); }
    void process(const float *const *input, float *const *outputs, std::uint32_t count, const Change *changes,
                 std::size_t n_changes);
    void reset();

    double value(std::size_t parameter) const { return values_[parameter].load(std::memory_order_relaxed); }
    void set_value(std::size_t parameter, double value)
    {
        values_[parameter].store(parameters.all()[parameter].legal(value), std::memory_order_relaxed);
    }
    bool pending() const;
    Status status() const;
    Numbers numbers() const;
    float peak(int bus, int channel);

    const Product &product;
    const Parameters parameters;
    Loader loader;
    std::atomic<bool> active_{false}, offline_{false};
    std::atomic<std::uint32_t> latency_{0}, latency_changes_{0};
    std::atomic<double> rate_{44100};

private:
    enum Index { bypass, mode, late, first_gain }; // in `parameters`; then gain, mute and solo of each stem

    Setting wanted() const; // by the parameters
    MixGoals goals() const;
    void set_latency(std::uint32_t latency);
    void follow();                // asks for an engine of what the parameters say
    void take_over(bool waiting); // an engine that has arrived
    void finish_fade();
    void chunk(const float *const *input, float *const *outputs, std::uint32_t at, std::uint32_t count);
    void mix(float *const *outputs, std::uint32_t at, std::uint32_t count);
    void give_out(float *const *outputs, std::uint32_t at, std::uint32_t count);
    void meter(int bus, float *const *channels, std::uint32_t count);
    void count_late();

    const LatencyChange when_;
    std::vector<std::atomic<double>> values_;

    // Of the audio thread, and of activate.
    Setting setting_;                    // asked for
    std::atomic<int> mode_{middle_mode}; // of it
    std::uint32_t block_ = 512, latencies_[n_modes] = {};
    Past past_;
    Voice current_, next_;
    bool fading_ = false; // next_ is there
    std::uint32_t faded_ = 0, fade_ = 1;
    Sound sound_, other_;
    std::vector<float> silence_, mix_[2];
    Mixer mixer_;
    Lead lead_{0.012, 0.023};
    double waited_ = 0;                                        // seconds
    const Change *changes_ = nullptr, *changes_end_ = nullptr; // of this block
    std::uint64_t late_before_ = 0, concealed_before_ = 0;     // by engines that are gone

    std::atomic<double> load_{0};
    std::atomic<std::uint64_t> late_runs_{0}, concealed_{0};
    std::atomic<float> peaks_[2 * (1 + most_stems)];
};

} // namespace spleeterrt::plugin

#endif
