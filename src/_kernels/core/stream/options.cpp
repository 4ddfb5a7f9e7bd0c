#include "stream/options.h"

#include "stream/resampler.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace spleeterrt {
namespace {

std::size_t synthesis_of(const StreamOptions &o) { return o.synthesis ? o.synthesis : o.frame_length; }
std::size_t budget_of(const StreamOptions &o) { return o.budget ? o.budget : o.hop_frames * o.frame_step; }
bool resamples(const StreamOptions &o) { return o.sample_rate != o.model_rate; }
std::size_t largest_block(const StreamOptions &o) { return o.block ? o.block : o.max_block; }
constexpr std::size_t most_block = 1 << 16; // windows wait in memory until their masks are due

// Whether frames and deadlines fall on the borders of the host's blocks.
bool fixed_block(const StreamOptions &o)
{
    return o.block && !resamples(o) && o.frame_step % o.block == 0 && (o.hold || budget_of(o) % o.block == 0);
}

// The most samples at the model's rate that a block becomes.
std::size_t model_block(const StreamOptions &o, std::size_t block)
{
    if (!resamples(o))
        return block;
    const double rate = static_cast<double>(o.model_rate) / o.sample_rate;
    return static_cast<std::size_t>(std::ceil(static_cast<double>(block) * rate)) + 1;
}

// Latency between the resamplers, if any. A sample leaves when the first frame that contains it has its mask:
// the frame is complete synthesis - 1 samples after it; the run that gives the mask begins up to
// hop_frames + lookahead - 1 frames later and has `budget` samples. A run begins late by up to a block.
std::size_t core_latency(const StreamOptions &o)
{
    std::size_t latency = synthesis_of(o) - 1;
    if (!o.hold)
        latency += (o.hop_frames + o.lookahead - 1) * o.frame_step + budget_of(o);
    if (fixed_block(o))
        return latency - (o.block - 1);
    return o.hold ? latency : latency + model_block(o, largest_block(o)) - 1;
}

std::size_t full_latency(const StreamOptions &o, std::size_t core)
{
    if (!resamples(o))
        return core;
    const double ratio = static_cast<double>(o.sample_rate) / o.model_rate;
    const double up = ResamplerFilter::least_delay(o.model_rate, o.sample_rate);
    const double down = ResamplerFilter::least_delay(o.sample_rate, o.model_rate);
    return static_cast<std::size_t>(std::ceil(ratio * (up + static_cast<double>(core)) + down));
}

} // namespace

std::string check_stream(const StreamOptions &o, std::size_t stems)
{
    const auto number = [](double value) {
        char text[32];
        std::snprintf(text, sizeof text, "%.15g", value);
        return std::string(text);
    };
    const auto range = [&](const char *name, double least, double most, double value) {
        return std::string(name) + ": expected " + number(least) + " to " + number(most) + ", got " + number(value);
    };
    const double step = static_cast<double>(o.frame_step);
    if (o.frames < 64 || o.frames > 512 || o.frames % 64)
        return "frames: expected a multiple of 64 from 64 to 512, got " + number(static_cast<double>(o.frames));
    if (o.bins < 64 || o.bins > o.fft_length / 2 || o.bins % 64)
        return "bins: expected a multiple of 64 from 64 to " + number(static_cast<double>(o.fft_length / 2)) +
               ", got " + number(static_cast<double>(o.bins));
    if (o.hop_frames < 1 || o.hop_frames > o.frames)
        return range("hop_frames", 1, static_cast<double>(o.frames), static_cast<double>(o.hop_frames));
    if (o.lookahead > o.frames - o.hop_frames)
        return range("lookahead", 0, static_cast<double>(o.frames - o.hop_frames), static_cast<double>(o.lookahead));
    if (o.hold && (o.lookahead || o.crossfade))
        return "hold: the newest mask goes to the newest frame, so lookahead and crossfade are 0";
    if (o.crossfade > o.hop_frames)
        return range("crossfade", 0, static_cast<double>(o.hop_frames), static_cast<double>(o.crossfade));
    // Shorter ones would amplify what is near the end of the frame, where the analysis window vanishes.
    if (4 * synthesis_of(o) < 5 * o.frame_step || synthesis_of(o) > o.frame_length)
        return range("window", std::ceil(1.25 * step), static_cast<double>(o.frame_length),
                     static_cast<double>(o.synthesis));
    if (budget_of(o) > o.hop_frames * o.frame_step)
        return range("budget", 1, static_cast<double>(o.hop_frames) * step, static_cast<double>(o.budget));
    if (largest_block(o) < 1 || largest_block(o) > most_block)
        return range(o.block ? "block" : "max_block", 1, most_block, static_cast<double>(largest_block(o)));
    if (o.sample_rate < 1000 || !ResamplerFilter::possible(o.sample_rate, o.model_rate) ||
        !ResamplerFilter::possible(o.model_rate, o.sample_rate))
        return "sample_rate: " + number(o.sample_rate) + " Hz has no simple ratio to the model's " +
               number(o.model_rate) + " Hz; common rates are 16000, 22050, 32000, 44100, 48000, 88200, 96000, 192000";
    if (o.threads < 1 || o.threads > 256)
        return range("threads", 1, 256, static_cast<double>(o.threads));
    if (o.priority < 0 || o.priority > 99)
        return range("priority", 0, 99, o.priority);
    if (o.cover >= stems)
        return range("cover", 0, static_cast<double>(stems) - 1, static_cast<double>(o.cover));
    return "";
}

StreamShape stream_shape(const StreamOptions &o)
{
    StreamShape s;
    s.synthesis = synthesis_of(o);
    s.budget = budget_of(o);
    s.block = largest_block(o);
    s.fixed = fixed_block(o);
    s.core_latency = core_latency(o);
    s.latency = full_latency(o, s.core_latency);
    if (o.hold) {
        s.first_row = o.frames - 1;
        s.rows = 1;
    } else {
        s.first_row = o.frames - o.lookahead - o.hop_frames;
        s.rows = std::min(o.hop_frames + o.crossfade, o.frames - s.first_row);
    }
    s.piece = std::min(s.block, o.frame_step);
    s.model_piece = model_block(o, s.piece);
    // One more for a run that came too late, and for the one to fade from.
    const std::size_t period = o.hop_frames * o.frame_step;
    const std::size_t alive = o.hold ? s.budget + period : s.core_latency - s.synthesis - o.lookahead * o.frame_step;
    s.slots = (alive + s.model_piece) / period + 2 + (o.crossfade ? 1 : 0);
    return s;
}

} // namespace spleeterrt
