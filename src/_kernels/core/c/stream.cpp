// Streams in C; see spleeterrt.h.
#include "c/common.h"
#include "c/model.h"
#include "machine.h"
#include "stream/engine.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace spleeterrt;

struct srt_stream {
    ModelUse model;
    LayerTable table;
    ModePlan mode;
    std::vector<const float *> weights; // of the mode's networks
    std::vector<StreamOutput> outputs;
    std::unique_ptr<StreamEngine> engine; // gone before what it reads
};

namespace {

// Sizes that are negative become zero, which check_stream names where it is wrong.
std::size_t size_of(int value) { return value > 0 ? static_cast<std::size_t>(value) : 0; }

StreamOptions stream_options(const srt_options &o, const ModelFileConfig &c, const ModePlan &mode)
{
    StreamOptions s;
    s.frame_length = static_cast<std::size_t>(c.frame_length);
    s.frame_step = static_cast<std::size_t>(c.frame_step);
    s.fft_length = static_cast<std::size_t>(c.fft_length());
    s.model_rate = static_cast<unsigned>(c.sample_rate);
    s.exponent = static_cast<float>(c.separation_exponent);
    s.average = o.full_band || (mode.ratio && c.mask_extension == ModelFileConfig::MaskExtension::average);
    s.frames = size_of(o.frames);
    s.bins = o.bins ? size_of(o.bins) : static_cast<std::size_t>(c.F);
    s.hold = o.hold;
    s.hop_frames = o.hop_frames ? size_of(o.hop_frames) : o.hold ? 1 : s.frames;
    s.lookahead = size_of(o.lookahead);
    s.crossfade = size_of(o.crossfade);
    s.synthesis = o.window ? size_of(o.window) : s.frame_length;
    s.budget = size_of(o.budget);
    s.max_block = size_of(o.max_block);
    s.block = size_of(o.block);
    s.sample_rate = static_cast<unsigned>(size_of(o.sample_rate));
    s.threads =
        o.threads ? size_of(o.threads) : std::min(usual_threads().threads, mode.cascade ? 2 : 2 * mode.networks.size());
    s.realtime = o.realtime;
    s.niceness = o.niceness;
    s.priority = o.priority;
    s.cover = o.cover < 0 ? mode.stems.size() - 1 : static_cast<std::size_t>(o.cover);
    s.hold_seconds = o.hold_seconds;
    return s;
}

std::string first_negative(const srt_options &o)
{
    const struct {
        const char *name;
        int value;
    } fields[] = {{"frames", o.frames},   {"hop_frames", o.hop_frames}, {"lookahead", o.lookahead},
                  {"bins", o.bins},       {"budget", o.budget},         {"max_block", o.max_block},
                  {"block", o.block},     {"window", o.window},         {"sample_rate", o.sample_rate},
                  {"threads", o.threads}, {"crossfade", o.crossfade},   {"niceness", o.niceness}};
    for (const auto &field : fields)
        if (field.value < 0)
            return std::string(field.name) + ": expected no negative number, got " + std::to_string(field.value);
    if (!(o.hold_seconds >= 0 && o.hold_seconds <= 3600))
        return "hold_seconds: expected 0 to 3600";
    return "";
}

std::string mode_of(const srt_options &o, const ModelFileConfig &config, ModePlan &plan)
{
    ModeOptions options;
    options.mode = o.mode ? o.mode : "ratio";
    options.wanted = names_of(o.stems);
    options.above = o.above_band;
    options.live = true;
    if (o.stems && options.wanted.empty())
        return "stems: expected names separated by commas";
    if (o.full_band && !(o.above_band < 0))
        return "above_band: full_band extends the masks themselves; use one or the other";
    return plan_mode(options, config.instruments, config.softmax, plan);
}

// An option that belongs to the model, where the stream's options name it, too.
std::string contradiction(const srt_options &o, const srt_model &model)
{
    if (o.isa && std::string(o.isa) != model.kernels()->name)
        return std::string("isa: the model was opened for ") + model.kernels()->name + ", got " + o.isa;
    if (o.low_memory && !model.low_memory())
        return "low_memory: the model was opened without it";
    return "";
}

int open(srt_model &model, const srt_options &options, srt_stream *&stream, std::string &problem)
{
    std::unique_ptr<srt_stream> s(new srt_stream);
    s->model = ModelUse(&model);
    const ModelFileConfig &config = model.config();
    problem = contradiction(options, model);
    if (problem.empty())
        problem = first_negative(options);
    if (problem.empty())
        problem = mode_of(options, config, s->mode);
    StreamOptions o;
    if (problem.empty()) {
        o = stream_options(options, config, s->mode);
        problem = check_stream(o, s->mode.stems.size());
    }
    if (!problem.empty())
        return SRT_BAD_OPTIONS;
    if (!model.weights(s->mode.networks, s->weights, problem))
        return SRT_BAD_MODEL;
    o.isa = model.kernels()->name;
    s->table = lower(config.network, model.plan(), static_cast<long long>(o.frames), static_cast<long long>(o.bins));
    s->outputs.resize(s->mode.stems.size());
    StreamNetwork network;
    network.kernels = model.kernels();
    network.layers = s->table.rows.data();
    network.n_layers = s->table.rows.size();
    network.workspace_floats = static_cast<std::size_t>(s->table.workspace_floats);
    network.weights = s->weights.data();
    network.softmax = config.softmax;
    network.mode = s->mode;
    s->engine.reset(new StreamEngine(network, o));
    stream = s.release();
    return SRT_OK;
}

bool take_options(const srt_options *options, srt_options &wanted, char *message)
{
    wanted = srt_default_options();
    if (take_over(options, offsetof(srt_options, isa) + sizeof wanted.isa, wanted))
        return true;
    tell(message, "options: begin with srt_default_options() of this version of the library or an earlier one");
    return false;
}

StreamOutput stereo(float *const *channels)
{
    return channels ? StreamOutput{{channels[0], channels[1]}, 1} : StreamOutput{{nullptr, nullptr}, 1};
}

void collect(srt_stream &stream, float *const *outputs)
{
    for (std::size_t s = 0; s < stream.outputs.size(); s++)
        stream.outputs[s] = stereo(outputs ? outputs + 2 * s : nullptr);
}

void silence(const StreamOutput &out, std::size_t count)
{
    for (float *channel : out.channel)
        if (channel)
            std::memset(channel, 0, count * sizeof(float));
}

} // namespace

extern "C" {

srt_options srt_default_options(void)
{
    srt_options o = {};
    o.size = sizeof o;
    o.frames = 128;
    o.max_block = 4096;
    o.sample_rate = 44100;
    o.realtime = 1;
    o.cover = -1;
    o.hold_seconds = 1.0;
    o.above_band = -1.0;
    return o;
}

int srt_stream_open(srt_model *model, const srt_options *options, srt_stream **stream, char *message)
{
    return guarded(message, [&]() -> int {
        if (!stream)
            return told(SRT_BAD_ARGUMENT, message, "stream: expected a place for the stream, got NULL");
        *stream = nullptr;
        if (!model)
            return told(SRT_BAD_ARGUMENT, message, "model: expected a model, got NULL");
        srt_options wanted;
        if (!take_options(options, wanted, message))
            return SRT_BAD_OPTIONS;
        std::string problem;
        return told(open(*model, wanted, *stream, problem), message, problem);
    });
}

int srt_open(const char *model_file, const srt_options *options, srt_stream **stream, char *message)
{
    if (stream)
        *stream = nullptr;
    srt_options wanted;
    tell(message, "");
    if (!take_options(options, wanted, message))
        return SRT_BAD_OPTIONS;
    srt_model_options of_model = srt_default_model_options();
    of_model.isa = wanted.isa;
    of_model.low_memory = wanted.low_memory;
    srt_model *model = nullptr;
    int code = srt_model_open(model_file, &of_model, &model, message);
    if (code == SRT_OK)
        code = srt_stream_open(model, &wanted, stream, message);
    srt_model_release(model); // the stream keeps it
    return code;
}

srt_stream *srt_create(const char *model_file, const srt_options *options, char *message)
{
    srt_stream *stream = nullptr;
    srt_open(model_file, options, &stream, message);
    return stream;
}

void srt_destroy(srt_stream *stream) { delete stream; }

int srt_stems(const srt_stream *stream) { return stream ? static_cast<int>(stream->mode.stems.size()) : 0; }

const char *srt_stem_name(const srt_stream *stream, int stem)
{
    if (!stream || stem < 0 || stem >= srt_stems(stream))
        return nullptr;
    return stream->mode.stems[static_cast<std::size_t>(stem)].c_str();
}

size_t srt_largest_block(const srt_stream *stream, int *fixed)
{
    if (fixed)
        *fixed = stream && stream->engine->block_is_fixed();
    return stream ? stream->engine->largest_block() : 0;
}

size_t srt_latency(const srt_stream *stream) { return stream ? stream->engine->latency() : 0; }

int srt_threads(const srt_stream *stream) { return stream ? static_cast<int>(stream->engine->threads()) : 0; }

int srt_process(srt_stream *stream, const float *const *input, float *const *outputs, size_t count)
{
    return srt_process_mix(stream, input, outputs, nullptr, count);
}

int srt_process_mix(srt_stream *stream, const float *const *input, float *const *outputs, float *const *mix,
                    size_t count)
{
    if (!stream || (count && (!input || !input[0] || !input[1])))
        return SRT_BAD_ARGUMENT;
    if (count == 0)
        return SRT_OK;
    collect(*stream, outputs);
    const StreamOutput total = stereo(mix);
    const StreamEngine &engine = *stream->engine;
    if (count > engine.largest_block() || (engine.block_is_fixed() && count != engine.largest_block())) {
        for (const StreamOutput &out : stream->outputs)
            silence(out, count);
        silence(total, count);
        return SRT_BAD_BLOCK;
    }
    stream->engine->process({{input[0], input[1]}, 1}, stream->outputs.data(), total, count);
    return SRT_OK;
}

int srt_set_gain(srt_stream *stream, int stem, float gain)
{
    if (!stream || stem < 0 || stem >= srt_stems(stream) || !(std::fabs(gain) <= 1000.0f))
        return SRT_BAD_ARGUMENT;
    stream->engine->set_gain(static_cast<std::size_t>(stem), gain);
    return SRT_OK;
}

int srt_set_gains(srt_stream *stream, const float *gains)
{
    if (!stream || !gains)
        return SRT_BAD_ARGUMENT;
    for (int stem = 0; stem < srt_stems(stream); stem++)
        if (!(std::fabs(gains[stem]) <= 1000.0f))
            return SRT_BAD_ARGUMENT;
    for (int stem = 0; stem < srt_stems(stream); stem++)
        srt_set_gain(stream, stem, gains[stem]);
    return SRT_OK;
}

int srt_get_stats(const srt_stream *stream, srt_stats *stats)
{
    if (!stream || !stats)
        return SRT_BAD_ARGUMENT;
    const StreamStats s = stream->engine->stats();
    *stats = {s.runs,         s.underruns,       s.dropped,           s.covered_frames,  s.repaired,
              s.load,         s.run_seconds,     s.worst_run_seconds, s.process_seconds, s.worst_process_seconds,
              s.process_load, s.priority_refused};
    return SRT_OK;
}

int srt_reset_stats(srt_stream *stream)
{
    if (!stream)
        return SRT_BAD_ARGUMENT;
    stream->engine->reset_stats();
    return SRT_OK;
}

int srt_reset(srt_stream *stream)
{
    if (!stream)
        return SRT_BAD_ARGUMENT;
    stream->engine->reset();
    return SRT_OK;
}

int srt_flush(srt_stream *stream, float *const *outputs, float *const *mix)
{
    if (!stream)
        return SRT_BAD_ARGUMENT;
    collect(*stream, outputs);
    stream->engine->flush(stream->outputs.data(), stereo(mix));
    return SRT_OK;
}

} // extern "C"
