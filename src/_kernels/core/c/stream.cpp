// Streams in C; see spleeterrt.h.
#include "c/common.h"
#include "c/model.h"
#include "c/options.h"
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

SRT_CHECK_END(srt_stats, reserved);

// An option that belongs to the model, where the stream's options name it, too.
std::string contradiction(const StreamRequest &o, const srt_model &model)
{
    if (o.isa && *o.isa && std::string(o.isa) != model.kernels()->name)
        return std::string("isa: the model was opened for ") + model.kernels()->name + ", got " + o.isa;
    if (o.low_memory && !model.low_memory())
        return "low_memory: the model was opened without it";
    return "";
}

int open(srt_model &model, const StreamRequest &options, srt_stream *&stream, std::string &problem)
{
    std::unique_ptr<srt_stream> s(new srt_stream);
    s->model = ModelUse(&model);
    const ModelFileConfig &config = model.config();
    problem = contradiction(options, model);
    StreamOptions o;
    if (problem.empty())
        problem = plan_stream(options, config, s->mode);
    if (problem.empty())
        problem = resolve_stream(options, config, s->mode, o);
    if (!problem.empty())
        return SRT_BAD_OPTIONS;
    if (!model.weights(s->mode.networks, s->weights, problem))
        return SRT_BAD_MODEL;
    o.isa = model.kernels()->name;
    s->table = stream_table(config.network, model.plan(), s->mode, o);
    s->outputs.resize(s->mode.stems.size());
    s->engine.reset(new StreamEngine(model.networks(s->table, s->weights), s->mode, o));
    stream = s.release();
    return SRT_OK;
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

int srt_stream_open(srt_model *model, const srt_options *options, srt_stream **stream, char *message)
{
    return guarded(message, [&]() -> int {
        if (!stream)
            return told(SRT_BAD_ARGUMENT, message, "stream: expected a place for the stream, got NULL");
        *stream = nullptr;
        if (!model)
            return told(SRT_BAD_ARGUMENT, message, "model: expected a model, got NULL");
        StreamRequest wanted;
        std::string problem;
        if (!take_request(options, wanted, problem))
            return told(SRT_BAD_OPTIONS, message, problem);
        return told(open(*model, wanted, *stream, problem), message, problem);
    });
}

int srt_latency_of(const srt_options *options, const srt_model *model, size_t *latency, char *message)
{
    return guarded(message, [&]() -> int {
        if (!latency)
            return told(SRT_BAD_ARGUMENT, message, "latency: expected a place for it, got NULL");
        *latency = 0;
        StreamRequest wanted;
        std::string problem;
        if (!take_request(options, wanted, problem))
            return told(SRT_BAD_OPTIONS, message, problem);
        ModePlan mode;
        if (model)
            problem = plan_stream(wanted, model->config(), mode);
        else { // how many stems there are, and which one conceals, is of no account
            mode.stems.resize(1);
            wanted.cover = -1;
        }
        StreamOptions o;
        if (problem.empty())
            problem = resolve_stream(wanted, model ? model->config() : ModelFileConfig(), mode, o);
        if (!problem.empty())
            return told(SRT_BAD_OPTIONS, message, problem);
        *latency = stream_shape(o).latency;
        return SRT_OK;
    });
}

int srt_open(const char *model_file, const srt_options *options, srt_stream **stream, char *message)
{
    if (stream)
        *stream = nullptr;
    StreamRequest wanted;
    const int taken = guarded(message, [&] {
        std::string problem;
        return told(take_request(options, wanted, problem) ? SRT_OK : SRT_BAD_OPTIONS, message, problem);
    });
    if (taken != SRT_OK)
        return taken;
    srt_model_options of_model = {};
    of_model.size = sizeof of_model;
    of_model.isa = wanted.isa;
    of_model.low_memory = wanted.low_memory;
    srt_model *model = nullptr;
    int code = srt_model_open(model_file, &of_model, &model, message);
    if (code == SRT_OK)
        code = srt_stream_open(model, options, stream, message);
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
    if (count > most_block)
        return SRT_BAD_BLOCK; // outputs are hardly so long
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

int srt_get_stats(const srt_stream *stream, srt_stats *stats, size_t size)
{
    if (!stream || !stats || size < sizeof(srt_stats))
        return SRT_BAD_ARGUMENT;
    const StreamStats s = stream->engine->stats();
    const srt_stats known = {s.runs,
                             s.underruns,
                             s.dropped,
                             s.covered_frames,
                             s.repaired,
                             s.load,
                             s.run_seconds,
                             s.worst_run_seconds,
                             s.process_seconds,
                             s.worst_process_seconds,
                             s.process_load,
                             s.priority_refused,
                             0};
    give(known, stats, size);
    return SRT_OK;
}

int srt_reset_stats(srt_stream *stream)
{
    if (!stream)
        return SRT_BAD_ARGUMENT;
    stream->engine->reset_stats();
    return SRT_OK;
}

int srt_set_realtime(srt_stream *stream, int realtime)
{
    if (!stream || realtime < 0 || realtime > 2)
        return SRT_BAD_ARGUMENT;
    stream->engine->set_realtime(realtime);
    return SRT_OK;
}

int srt_reset(srt_stream *stream) { return srt_reset_at(stream, 0); }

int srt_reset_at(srt_stream *stream, int64_t position)
{
    if (!stream)
        return SRT_BAD_ARGUMENT;
    const StreamEngine &engine = *stream->engine;
    if (engine.block_is_fixed() && position % static_cast<int64_t>(engine.largest_block()))
        return SRT_BAD_ARGUMENT;
    stream->engine->reset(position);
    return SRT_OK;
}

size_t srt_settling(const srt_stream *stream) { return stream ? stream->engine->settling() : 0; }

size_t srt_workspace_floats(const srt_stream *stream)
{
    return stream ? stream->engine->workspace_floats() + AlignedFloats::spare : 0;
}

int srt_run(srt_stream *stream, float *workspace)
{
    return stream && workspace && stream->engine->run_next(AlignedFloats::at_line(workspace));
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
