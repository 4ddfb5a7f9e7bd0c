// Live sound: core/stream's engine for JavaScript. Whoever calls srt_stream_process also runs the networks, between
// its calls.
#include "host.h"
#include "model.h"

#include "sound/modes.h"
#include "stream/engine.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace spleeterrt;

namespace {

struct Live {
    StreamRequest request;
    std::string mode, stems; // texts of the request
    ModePlan plan;
    LayerTable table;
    std::vector<const float *> weights;
    std::unique_ptr<StreamEngine> engine;
    AlignedFloats workspace;
    AlignedFloats input, output; // [2][largest block]; [stems][2][largest block or latency]
    std::size_t input_row = 0, output_row = 0;
    std::vector<StreamOutput> outputs; // of these
    double stats[10] = {};
};

std::unique_ptr<Live> live;

std::vector<StreamOutput> &outputs_at(std::size_t place)
{
    for (std::size_t stem = 0; stem < live->outputs.size(); stem++) {
        float *left = live->output.data() + 2 * stem * live->output_row + place;
        live->outputs[stem] = {{left, left + live->output_row}, 1};
    }
    return live->outputs;
}

} // namespace

SRT_EXPORT(srt_stream_new) void srt_stream_new() { live.reset(new Live); }
SRT_EXPORT(srt_stream_end) void srt_stream_end() { live.reset(); }

// An option of option_list.h by its name.
SRT_EXPORT(srt_stream_set) int srt_stream_set(const char *name, double value)
{
    for (const StreamOption &option : stream_option_list())
        if (std::strcmp(option.name, name) == 0) {
            option.set(live->request, value);
            return 0;
        }
    return tell_problem(std::string("no such option of a stream: ") + name);
}

// The plan of these options: networks that run (srt_stream_network), stems that come out.
SRT_EXPORT(srt_stream_plan) int srt_stream_plan(const char *mode, const char *stems)
{
    Live &l = *live;
    l.mode = mode;
    l.stems = stems;
    l.request.mode = l.mode.c_str();
    l.request.stems = l.stems.empty() ? nullptr : l.stems.c_str();
    l.request.caller_runs = 1;
    return tell_problem(plan_stream(l.request, the_model().config, l.plan));
}
SRT_EXPORT(srt_stream_networks) int srt_stream_networks() { return static_cast<int>(live->plan.networks.size()); }
SRT_EXPORT(srt_stream_network) int srt_stream_network(int index)
{
    return static_cast<int>(live->plan.networks[static_cast<std::size_t>(index)]);
}
SRT_EXPORT(srt_stream_stems) int srt_stream_stems() { return static_cast<int>(live->plan.stems.size()); }
SRT_EXPORT(srt_stream_stem_name) int srt_stream_stem_name(int stem)
{
    return tell_problem(live->plan.stems[static_cast<std::size_t>(stem)]);
}

// The engine, once the networks of the plan are loaded.
SRT_EXPORT(srt_stream_begin) int srt_stream_begin()
{
    Live &l = *live;
    const WebModel &m = the_model();
    StreamOptions options;
    const std::string problem = resolve_stream(l.request, m.config, l.plan, options);
    if (!problem.empty())
        return tell_problem(problem);
    options.isa = m.kernels->name;
    options.caller_runs = true;
    l.table = stream_table(m.config.network, m.plan, l.plan, options);
    l.engine.reset(new StreamEngine(m.networks(l.table, l.plan.networks, l.weights), l.plan, options));
    l.workspace = AlignedFloats(l.engine->workspace_floats());
    l.input_row = l.engine->largest_block();
    l.output_row = std::max(l.engine->largest_block(), l.engine->latency());
    l.input = AlignedFloats(2 * l.input_row);
    l.outputs.resize(l.plan.stems.size());
    l.output = AlignedFloats(2 * l.outputs.size() * l.output_row);
    return 0;
}

SRT_EXPORT(srt_stream_latency) int srt_stream_latency() { return static_cast<int>(live->engine->latency()); }
SRT_EXPORT(srt_stream_largest_block) int srt_stream_largest_block()
{
    return static_cast<int>(live->engine->largest_block());
}
SRT_EXPORT(srt_stream_input) float *srt_stream_input(int channel)
{
    return live->input.data() + static_cast<std::size_t>(channel) * live->input_row;
}
SRT_EXPORT(srt_stream_output) float *srt_stream_output(int stem, int channel)
{
    return live->output.data() + static_cast<std::size_t>(2 * stem + channel) * live->output_row;
}

// `count` samples of the input, at most the largest block, become as many of the output.
SRT_EXPORT(srt_stream_process) void srt_stream_process(std::size_t count)
{
    const StreamInput in = {{srt_stream_input(0), srt_stream_input(1)}, 1};
    live->engine->process(in, outputs_at(0).data(), {{nullptr, nullptr}, 1}, count);
}

// A network of a run that waits; 0: there is none.
SRT_EXPORT(srt_stream_run) int srt_stream_run() { return live->engine->run_next(live->workspace.data()); }

SRT_EXPORT(srt_stream_flush) void srt_stream_flush()
{
    live->engine->flush(outputs_at(0).data(), {{nullptr, nullptr}, 1});
}
SRT_EXPORT(srt_stream_reset) void srt_stream_reset() { live->engine->reset(); }

// runs, underruns, dropped, covered frames, repaired, load, seconds of a run, of the worst, of process, of its worst
SRT_EXPORT(srt_stream_stats) const double *srt_stream_stats()
{
    const StreamStats s = live->engine->stats();
    const double values[] = {static_cast<double>(s.runs),
                             static_cast<double>(s.underruns),
                             static_cast<double>(s.dropped),
                             static_cast<double>(s.covered_frames),
                             static_cast<double>(s.repaired),
                             s.load,
                             s.run_seconds,
                             s.worst_run_seconds,
                             s.process_seconds,
                             s.worst_process_seconds};
    static_assert(sizeof values == sizeof live->stats, "ten numbers");
    std::memcpy(live->stats, values, sizeof values);
    return live->stats;
}
