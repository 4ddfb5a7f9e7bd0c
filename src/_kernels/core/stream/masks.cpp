#include "stream/masks.h"

#include "check.h"
#include "sound/spectral.h"
#include "stream/integers.h"

#include <algorithm>
#include <cmath>

namespace spleeterrt {
namespace {

constexpr std::size_t fade_frames = 8; // from held masks to the mix
constexpr auto relaxed = std::memory_order_relaxed;

} // namespace

Masks::Masks(const ModePlan &mode, const StreamOptions &options, const StreamShape &shape, Runs &runs)
    : mode_(mode), options_(options), shape_(shape), runs_(runs), kernels_(mask_kernels(options.isa)),
      stems_(mode.stems.size()), values_(options.bins * stream_channels),
      hold_frames_(static_cast<std::size_t>(
          std::ceil(options.hold_seconds * options.model_rate / static_cast<double>(options.frame_step)))),
      masks_(memory_.take(stems_ * values_)), held_(memory_.take(stems_ * values_)),
      other_(memory_.take(stems_ * values_)), all_(memory_.take(mode.networks.size() * values_)),
      extensions_(memory_.take(stems_ * stream_channels)), held_extensions_(memory_.take(stems_ * stream_channels))
{
    SRT_DCHECK(options.cover < stems_ && mode.made.size() == mode.networks.size());
    SRT_DCHECK(mode.rest < static_cast<std::ptrdiff_t>(stems_) && !(mode.ratio && mode.rest >= 0));
    set_silence();
}

void Masks::set_silence()
{
    silent_.assign(stems_, mode_.ratio ? 1.0f / static_cast<float>(mode_.networks.size()) : mode_.share);
    above_.assign(stems_, mode_.ratio ? 0.0f : mode_.above);
    for (std::vector<float> *masks : {&silent_, &above_}) {
        if (mode_.rest < 0)
            continue;
        float &rest = (*masks)[static_cast<std::size_t>(mode_.rest)];
        float all = rest; // of every network, also where its stem does not come out
        for (std::size_t k = 0; k < mode_.networks.size(); k++)
            all += rest;
        rest = 1.0f - (all - rest);
    }
}

void Masks::start(std::int64_t silent, std::int64_t before)
{
    for (std::size_t s = 0; s < stems_; s++)
        std::fill_n(masks_ + s * values_, values_, silent_[s]);
    extend();
    covered_in_a_row_ = 0;
    silent_frame_ = silent;
    last_used_ = last_counted_ = begun_before_ = before;
}

void Masks::begin_call(bool waiting)
{
    waiting_ = waiting;
    begun_before_ = runs_.submitted();
}

std::int64_t Masks::due_run(std::int64_t frame) const
{
    const std::int64_t hop = static_cast<std::int64_t>(options_.hop_frames);
    if (!options_.hold)
        return floor_div(frame + static_cast<std::int64_t>(options_.lookahead), hop);
    const std::int64_t lag =
        ceil_div(static_cast<std::int64_t>(options_.budget), static_cast<std::int64_t>(options_.frame_step));
    return std::max<std::int64_t>(-1, floor_div(frame + 1 - lag, hop) - 1);
}

FrameMasks Masks::choose(std::int64_t frame)
{
    update(frame);
    return {masks_, extensions_};
}

void Masks::update(std::int64_t frame)
{
    if (!options_.hold && frame <= silent_frame_)
        return; // whatever its masks are
    std::int64_t run = due_run(frame);
    if (options_.hold && !waiting_) // one that began in this very call has had no time
        run = std::min(run, begun_before_);
    if (options_.hold && run <= last_used_ && (waiting_ || !runs_.newest_done(last_used_ + 1)))
        return; // still the newest
    const Runs::Slot *slot = nullptr;
    std::size_t row = shape_.rows - 1;
    if (options_.hold && !waiting_) {
        slot = runs_.newest_done(last_used_ + 1);
    } else {
        slot = runs_.await(run, waiting_);
        if (!options_.hold)
            row = static_cast<std::size_t>(frame + static_cast<std::int64_t>(options_.lookahead) -
                                           run * static_cast<std::int64_t>(options_.hop_frames));
    }
    const std::int64_t used = slot ? slot->run() : -1;
    if (used < run && run > last_counted_) {
        last_counted_ = run;
        underruns_.fetch_add(1, relaxed);
    }
    if (used >= run) {
        read(*slot, row, masks_);
        if (row < options_.crossfade)
            fade_in(run, row);
        extend();
        covered_in_a_row_ = 0;
        last_used_ = used;
    } else {
        cover();
    }
    runs_.release(options_.crossfade && used >= run ? run - 1 : std::max(run, options_.hold ? last_used_ : run),
                  waiting_);
}

// The masks of a row of those that a run keeps.
void Masks::read(const Runs::Slot &slot, std::size_t row, float *masks) const
{
    SRT_DCHECK(slot.done() && row < shape_.rows);
    const std::size_t plane = shape_.rows * values_;
    const float *estimates = slot.buffers().estimates + row * values_;
    if (mode_.ratio && mode_.networks.size() == stems_) {
        kernels_.ratio_masks(estimates, plane, stems_, values_, options_.exponent, masks);
        return;
    }
    if (mode_.ratio) { // of all, for the stems that are wanted
        kernels_.ratio_masks(estimates, plane, mode_.networks.size(), values_, options_.exponent, all_);
        for (std::size_t k = 0; k < mode_.networks.size(); k++)
            if (mode_.made[k] >= 0)
                std::copy_n(all_ + k * values_, values_, masks + static_cast<std::size_t>(mode_.made[k]) * values_);
        return;
    }
    const float *magnitudes = slot.buffers().window + (shape_.first_row + row) * values_;
    float *rest = mode_.rest < 0 ? nullptr : masks + static_cast<std::size_t>(mode_.rest) * values_;
    if (rest)
        std::fill_n(rest, values_, 1.0f);
    for (std::size_t k = 0; k < mode_.networks.size(); k++) {
        if (mode_.made[k] < 0 && !rest)
            continue;
        float *mask = mode_.made[k] < 0 ? all_ : masks + static_cast<std::size_t>(mode_.made[k]) * values_;
        kernels_.own_mask(estimates + k * plane, magnitudes, values_, mode_.share, mask);
        for (std::size_t i = 0; rest && i < values_; i++)
            rest[i] -= mask[i];
    }
}

void Masks::extend()
{
    for (std::size_t s = 0; s < stems_; s++) {
        float *above = extensions_ + s * stream_channels;
        above[0] = above[1] = above_[s];
        if (options_.average)
            kernels_.mean_mask(masks_ + s * values_, options_.bins, above);
    }
}

// The first frames of a run: from what the run before says of them, or held where it says nothing.
void Masks::fade_in(std::int64_t run, std::size_t row)
{
    const Runs::Slot *before = runs_.await(run - 1, waiting_);
    if (!before)
        return;
    read(*before, std::min(options_.hop_frames + row, shape_.rows - 1), other_);
    const float weight = static_cast<float>(row + 1) / static_cast<float>(options_.crossfade + 1);
    const std::size_t n = stems_ * values_;
    for (std::size_t i = 0; i < n; i++)
        masks_[i] = other_[i] + weight * (masks_[i] - other_[i]);
}

// A frame without masks of its own.
void Masks::cover()
{
    covered_.fetch_add(1, relaxed);
    // What came too late may still be newer than what is held.
    if (const Runs::Slot *late = runs_.newest_done(last_used_ + 1)) {
        read(*late, shape_.rows - 1, masks_);
        extend();
        last_used_ = late->run();
        covered_in_a_row_ = 0;
    }
    if (covered_in_a_row_++ == 0) {
        std::memcpy(held_, masks_, stems_ * values_ * sizeof(float));
        std::memcpy(held_extensions_, extensions_, stems_ * stream_channels * sizeof(float));
    }
    if (covered_in_a_row_ <= hold_frames_)
        return;
    const std::size_t since = std::min(covered_in_a_row_ - hold_frames_, fade_frames);
    const float weight = static_cast<float>(since) / static_cast<float>(fade_frames);
    for (std::size_t s = 0; s < stems_; s++) {
        const float goal = s == options_.cover ? 1.0f : 0.0f;
        for (std::size_t i = s * values_; i < (s + 1) * values_; i++)
            masks_[i] = held_[i] + weight * (goal - held_[i]);
        for (std::size_t i = s * stream_channels; i < (s + 1) * stream_channels; i++)
            extensions_[i] = held_extensions_[i] + weight * (goal - held_extensions_[i]);
    }
}

void Masks::add_stats(StreamStats &stats) const
{
    stats.underruns = underruns_.load(relaxed);
    stats.covered_frames = covered_.load(relaxed);
}

void Masks::reset_stats()
{
    underruns_.store(0, relaxed);
    covered_.store(0, relaxed);
}

} // namespace spleeterrt
