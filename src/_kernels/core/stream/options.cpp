#include "stream/options.h"

#include "machine.h"
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

// More than two runs at a time are of no use, and each thread has a workspace.
std::size_t usual_threads_of(const ModePlan &mode)
{
    return std::min(usual_threads().threads, mode.cascade ? 2 : 2 * mode.networks.size());
}

// Whether all stems that the mode can make come out: share is one over their number (0: of no model).
bool can_sum(const ModePlan &mode)
{
    return mode.share == 0 || mode.stems.size() >= static_cast<std::size_t>(std::lround(1 / mode.share));
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
    if (!ResamplerFilter::possible(o.sample_rate, o.model_rate) ||
        !ResamplerFilter::possible(o.model_rate, o.sample_rate))
        return "sample_rate: " + number(o.sample_rate) + " Hz has no simple ratio to the model's " +
               number(o.model_rate) + " Hz; common rates are 16000, 22050, 32000, 44100, 48000, 88200, 96000, 192000";
    if (o.cover >= stems)
        return range("cover", 0, static_cast<double>(stems) - 1, static_cast<double>(o.cover));
    return "";
}

const std::vector<StreamField> &stream_fields()
{
#define SRT_FIELD(name)                                                         \
    {#name, [](const StreamOptions &o) { return static_cast<double>(o.name); }, \
     [](StreamOptions &o, double value) { o.name = static_cast<decltype(o.name)>(value); }},
#define SRT_ENGINE_FIELD(kind, name, ...) SRT_FIELD(name)
    static const std::vector<StreamField> fields = {
        SRT_FIELD(frame_length) SRT_FIELD(frame_step) SRT_FIELD(fft_length) SRT_FIELD(model_rate) SRT_FIELD(exponent)
            SRT_FIELD(average) SRT_FIELD(synthesis) SRT_FIELD(ramp_seconds)
                SRT_STREAM_OPTIONS(SRT_ENGINE_FIELD, SRT_NO_OPTION, SRT_NO_OPTION, SRT_ENGINE_FIELD)};
#undef SRT_ENGINE_FIELD
#undef SRT_FIELD
    return fields;
}

std::string plan_stream(const StreamRequest &request, const ModelFileConfig &config, ModePlan &plan)
{
    ModeOptions options;
    options.mode = request.mode ? request.mode : "ratio";
    options.wanted = names_of(request.stems);
    options.above = request.above_band;
    options.full_band = request.full_band;
    options.live = true;
    if (request.stems && options.wanted.empty())
        return "stems: expected names separated by commas";
    return plan_file(options, config.instruments, config.softmax, plan);
}

std::string resolve_stream(const StreamRequest &request, const ModelFileConfig &config, const ModePlan &mode,
                           StreamOptions &o)
{
    const std::string problem = check_request(request);
    if (!problem.empty())
        return problem;
#define SRT_TAKE(kind, name, ...) o.name = static_cast<decltype(o.name)>(request.name);
    SRT_STREAM_OPTIONS(SRT_TAKE, SRT_NO_OPTION, SRT_NO_OPTION, SRT_TAKE)
#undef SRT_TAKE
    o.frame_length = static_cast<std::size_t>(config.frame_length);
    o.frame_step = static_cast<std::size_t>(config.frame_step);
    o.fft_length = static_cast<std::size_t>(config.fft_length());
    o.model_rate = static_cast<unsigned>(config.sample_rate);
    o.exponent = static_cast<float>(config.separation_exponent);
    o.average = request.full_band || (mode.ratio && config.mask_extension == ModelFileConfig::MaskExtension::average);
    o.synthesis = request.window ? static_cast<std::size_t>(request.window) : o.frame_length;
    if (!request.bins)
        o.bins = static_cast<std::size_t>(config.F);
    if (!request.hop_frames)
        o.hop_frames = o.hold ? 1 : o.frames;
    if (!request.threads)
        o.threads = usual_threads_of(mode);
    o.threads = std::min(o.threads, most_threads);
    if (request.cover < 0)
        o.cover = mode.stems.size() - 1;
    if (o.residual && !can_sum(mode))
        return "residual: the last stem is the mix minus all others, so that all have to come out; leave out those "
               "that you do not need";
    return check_stream(o, mode.stems.size());
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
