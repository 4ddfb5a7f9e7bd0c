#include "shell/body.h"

#include "clock.h"
#include "denormals.h"

#include <algorithm>
#include <cmath>

namespace spleeterrt::plugin {
namespace {

constexpr double fade_seconds = 0.030;
constexpr double frame_step = 1024.0 / 44100; // seconds, of Spleeter's models

} // namespace

Shell::Body::Body(const Product &which, LatencyChange when, std::string binary)
    : product(which), parameters(which), loader(which, std::move(binary)), when_(when), values_(parameters.size())
{
    for (std::size_t i = 0; i < parameters.size(); i++)
        values_[i].store(parameters[i].usual);
    for (std::atomic<float> &peak : peaks_)
        peak.store(0);
    latency_.store(latency_of(Setting()));
}

// --- main ---------------------------------------------------------------------------------------------

void Shell::Body::activate(double rate, std::uint32_t block, std::uint32_t largest)
{
    rate_.store(rate);
    block_ = std::min(std::max<std::uint32_t>(block, 1), most_block);
    std::uint32_t longest = 0;
    for (int m = 0; m < n_modes; m++) {
        Setting setting;
        setting.rate = rate;
        setting.block = block_;
        setting.mode = m;
        latencies_[m] = latency_of(setting);
        longest = std::max(longest, latencies_[m]);
    }
    past_.resize(longest + block_);
    sound_.resize(product.stems, block_);
    other_.resize(product.stems, block_);
    silence_.assign(block_, 0.0f);
    for (std::vector<float> &channel : mix_)
        channel.assign(block_, 0.0f);
    fade_ = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(fade_seconds * rate));
    lead_ = Lead(block_ / rate, frame_step, largest / rate);
    if (fading_) // what was asked for last is there, and would not be made again
        current_ = std::move(next_);
    next_ = Voice();
    fading_ = false;
    late_before_ = concealed_before_ = 0;
    const Setting setting = wanted();
    const bool same = setting == setting_;
    if (!same || !current_.engine()) {
        current_ = Voice(nullptr, latencies_[setting.mode]);
        setting_ = setting;
        mode_.store(setting.mode);
        loader.start();
        if (!same || !loader.coming())
            loader.ask(setting);
    } else {
        current_.engine()->reset_stats();
    }
    mixer_.prepare(product.stems, rate, goals());
    set_latency(current_.latency());
    reset();
    active_.store(true);
}

bool Shell::Body::pending() const
{
    return when_ == LatencyChange::on_activation && active_.load() &&
           static_cast<int>(value(mode)) != mode_.load(std::memory_order_relaxed);
}

Status Shell::Body::status() const
{
    Status status;
    loader.report(status);
    if (status.phase == Phase::idle)
        status.message = "Not running";
    status.load = load_.load();
    status.late = late_runs_.load();
    status.concealed = concealed_.load();
    status.latency = latency_.load() / rate_.load();
    return status;
}

Numbers Shell::Body::numbers() const
{
    constexpr auto relaxed = std::memory_order_relaxed;
    return {loader.phase(), load_.load(relaxed), latency_.load(relaxed) / rate_.load(relaxed), late_runs_.load(relaxed),
            concealed_.load(relaxed)};
}

float Shell::Body::peak(int bus, int channel) { return peaks_[2 * bus + channel].exchange(0.0f); }

// --- what the parameters say ------------------------------------------------------------------------------

Setting Shell::Body::wanted() const
{
    Setting setting;
    setting.rate = rate_.load(std::memory_order_relaxed);
    setting.block = block_;
    setting.mode = static_cast<int>(value(mode));
    setting.late = static_cast<int>(value(late));
    return setting;
}

MixGoals Shell::Body::goals() const
{
    MixGoals goals = {};
    bool any_solo = false;
    const auto of = [&](int stem, int what) { return value(static_cast<std::size_t>(first_gain + 3 * stem + what)); };
    for (int s = 0; s < product.stems; s++)
        any_solo |= of(s, 2) > 0.5;
    for (int s = 0; s < product.stems; s++) {
        const bool heard = of(s, 1) < 0.5 && (!any_solo || of(s, 2) > 0.5);
        const double gain = of(s, 0);
        goals.gain[s] = heard && gain > least_gain ? static_cast<float>(std::pow(10.0, gain / 20)) : 0.0f;
    }
    goals.wet = value(bypass) > 0.5 ? 0.0f : 1.0f;
    return goals;
}

void Shell::Body::set_latency(std::uint32_t latency)
{
    if (latency_.exchange(latency) != latency)
        latency_changes_.fetch_add(1);
}

// --- audio: engines come and go ----------------------------------------------------------------------------

void Shell::Body::follow()
{
    Setting setting = wanted();
    if (when_ == LatencyChange::on_activation)
        setting.mode = setting_.mode;
    if (setting == setting_)
        return;
    setting_ = setting;
    mode_.store(setting.mode, std::memory_order_relaxed);
    loader.ask(setting);
}

void Shell::Body::take_over(bool waiting)
{
    if (fading_)
        return;
    Delivery *delivery = loader.take();
    if (!delivery)
        return;
    next_ = Voice(std::unique_ptr<Delivery>(delivery), latencies_[delivery->setting.mode]);
    if (Engine *engine = next_.engine())
        engine->set_waiting(waiting);
    // Where time is of no account it hears all that there was, as if it had been there.
    next_.begin(past_, waiting, block_, other_);
    fading_ = true;
    faded_ = 0;
    if (past_.heard() <= std::min(current_.latency(), next_.latency()) && next_.ready(past_.heard()))
        finish_fade(); // nothing was heard yet
}

void Shell::Body::finish_fade()
{
    if (const Engine *engine = current_.engine()) {
        const srt_stats stats = engine->stats();
        late_before_ += stats.underruns;
        concealed_before_ += stats.covered_frames;
    }
    loader.give_back(current_.release());
    current_ = std::move(next_);
    fading_ = false;
    set_latency(current_.latency());
}

void Shell::Body::reset()
{
    past_.clear();
    mixer_.jump(goals());
    if (current_.engine())
        current_.begin(past_, false, block_, sound_);
    if (fading_) {
        next_.begin(past_, false, block_, other_);
        finish_fade();
    }
}

// --- audio: samples --------------------------------------------------------------------------------------

void Shell::Body::process(const float *const *input, float *const *outputs, std::uint32_t count, const Change *changes,
                          std::size_t n_changes)
{
    const NoDenormals fast;
    const double begun = seconds();
    lead_.came(begun - waited_, count / rate_.load(std::memory_order_relaxed));
    const bool waiting = offline_.load(std::memory_order_relaxed) || lead_.ahead();
    follow();
    if (waiting && loader.busy())
        loader.wait();
    take_over(waiting);
    if (Engine *engine = current_.engine())
        engine->set_waiting(waiting);
    changes_ = changes;
    changes_end_ = changes + n_changes;
    for (std::uint32_t at = 0; at < count; at += block_)
        chunk(input, outputs, at, std::min(block_, count - at));
    for (; changes_ != changes_end_; changes_++)
        set_value(changes_->parameter, changes_->value);
    count_late();
    if (waiting) // for engines and networks: time that does not pass, or the next block would seem to be played
        waited_ += seconds() - begun;
}

void Shell::Body::chunk(const float *const *input, float *const *outputs, std::uint32_t at, std::uint32_t count)
{
    const float *in[2];
    for (int c = 0; c < 2; c++)
        in[c] = input && input[c] ? input[c] + at : silence_.data();
    const std::uint64_t position = past_.heard();
    past_.add(in, count);
    current_.process(in, count, past_, product.stems, sound_);
    if (fading_) {
        next_.process(in, count, past_, product.stems, other_);
        if (next_.ready(position)) {
            const float step = 1.0f / static_cast<float>(fade_);
            sound_.blend(other_, count, static_cast<float>(faded_) * step, step);
            faded_ += count;
            if (faded_ >= fade_)
                finish_fade();
        }
    }
    mix(outputs, at, count);
    give_out(outputs, at, count);
}

// From change to change.
void Shell::Body::mix(float *const *outputs, std::uint32_t at, std::uint32_t count)
{
    for (std::uint32_t i = 0; i < count;) {
        while (changes_ != changes_end_ && changes_->offset <= at + i) {
            set_value(changes_->parameter, changes_->value);
            changes_++;
        }
        mixer_.set(goals());
        std::uint32_t n = count - i;
        if (changes_ != changes_end_)
            n = std::min(n, changes_->offset - (at + i));
        const float *stems[2 * most_stems] = {};
        for (int c = 0; c < 2 * product.stems; c++)
            stems[c] = sound_.stems()[c] + i;
        const float *const dry[2] = {sound_.dry()[0] + i, sound_.dry()[1] + i};
        float *const out[2] = {mix_[0].data() + i, mix_[1].data() + i};
        mixer_.process(stems, dry, out, n);
        i += n;
    }
    float *const channels[2] = {mix_[0].data(), mix_[1].data()};
    meter(0, channels, count);
    for (int c = 0; c < 2; c++)
        if (outputs[c])
            std::copy_n(mix_[c].data(), count, outputs[c] + at);
}

void Shell::Body::give_out(float *const *outputs, std::uint32_t at, std::uint32_t count)
{
    for (int s = 0; s < product.stems; s++) {
        float *const *stem = sound_.stems() + 2 * s;
        meter(1 + s, stem, count);
        for (int c = 0; c < 2; c++)
            if (float *out = outputs[2 + 2 * s + c])
                std::copy_n(stem[c], count, out + at);
    }
}

void Shell::Body::meter(int bus, float *const *channels, std::uint32_t count)
{
    for (int c = 0; c < 2; c++) {
        float peak = 0;
        for (std::uint32_t i = 0; i < count; i++)
            peak = std::max(peak, std::fabs(channels[c][i]));
        std::atomic<float> &shown = peaks_[2 * bus + c];
        if (peak > shown.load(std::memory_order_relaxed))
            shown.store(peak, std::memory_order_relaxed);
    }
}

void Shell::Body::count_late()
{
    srt_stats stats = {};
    if (const Engine *engine = current_.engine())
        stats = engine->stats();
    load_.store(stats.load, std::memory_order_relaxed);
    late_runs_.store(late_before_ + stats.underruns, std::memory_order_relaxed);
    concealed_.store(concealed_before_ + stats.covered_frames, std::memory_order_relaxed);
}

} // namespace spleeterrt::plugin
