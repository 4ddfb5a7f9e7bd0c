// A whole signal: core/offline's engine for JavaScript. The worker that calls this runs what is sequential and the
// networks that it has; the estimates of the others come from other workers.
#include "host.h"
#include "model.h"

#include "offline/model_plan.h"
#include "sound/masks.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace spleeterrt;

namespace {

constexpr std::size_t channels = 2;
constexpr std::size_t piece_frames = 128;  // whose sound comes out together: 3 s
constexpr std::size_t planar_block = 1024; // samples at a time between planes and pairs

struct Offline {
    ModePlan mode;
    std::vector<std::size_t> stems; // that come out, of the mode's
    LayerTable table;
    std::vector<const float *> weights;
    std::unique_ptr<Separation> engine;
    AlignedFloats workspace;
    std::vector<AlignedFloats> sound; // of each stem of the mode, the piece at hand
};

std::unique_ptr<Offline> offline;

enum Flags { residual = 1, full_band = 2, wiener = 4 };

SeparationOptions engine_options(const Offline &o, int flags)
{
    const WebModel &m = the_model();
    SeparationOptions e = separation_options(m.config, o.mode, flags & full_band, flags & wiener, m.kernels->name);
    e.piece_frames = std::min(piece_frames, e.frames);
    return e;
}

std::string plan(Offline &o, const char *mode, const char *stems, int flags)
{
    ModeOptions options;
    options.mode = mode;
    options.wanted = names_of(stems);
    options.residual = flags & residual;
    options.full_band = flags & full_band;
    if (flags & wiener && flags & full_band)
        return "fullBand: Spleeter's Wiener filter is silent above the networks' band; use one or the other";
    return plan_separation(options, flags & wiener, the_model().config, o.mode, o.stems);
}

} // namespace

// What is wanted, before any memory is taken. stems: names between commas, "" for all. flags: as above.
SRT_EXPORT(srt_plan) int srt_plan(const char *mode, const char *stems, int flags)
{
    offline.reset(new Offline);
    return tell_problem(plan(*offline, mode, stems, flags));
}

// The networks that run, in order: indices into the file's; the stems that come out.
SRT_EXPORT(srt_plan_networks) int srt_plan_networks() { return static_cast<int>(offline->mode.networks.size()); }
SRT_EXPORT(srt_plan_network) int srt_plan_network(int index)
{
    return static_cast<int>(offline->mode.networks[static_cast<std::size_t>(index)]);
}
// Whether each network hears what the ones before leave.
SRT_EXPORT(srt_plan_is_cascade) int srt_plan_is_cascade() { return offline->mode.cascade; }
SRT_EXPORT(srt_stems) int srt_stems() { return static_cast<int>(offline->stems.size()); }
SRT_EXPORT(srt_stem_name) int srt_stem_name(int stem)
{
    return tell_problem(offline->mode.stems[offline->stems[static_cast<std::size_t>(stem)]]);
}

// The engine for the plan; networks that are not loaded here are run elsewhere.
SRT_EXPORT(srt_begin) int srt_begin(int flags)
{
    Offline &o = *offline;
    const WebModel &m = the_model();
    const SeparationOptions e = engine_options(o, flags);
    const std::string problem = check_separation(e, o.mode);
    if (!problem.empty())
        return tell_problem(problem);
    o.table = lower(m.config.network, m.plan, m.config.T, m.config.F);
    o.engine.reset(new Separation(m.networks(o.table, o.mode.networks, o.weights), o.mode, e));
    o.workspace = AlignedFloats(o.engine->most_workspace_floats());
    for (std::size_t stem = 0; stem < o.mode.stems.size(); stem++)
        o.sound.emplace_back(o.engine->most_samples() * channels);
    return 0;
}

SRT_EXPORT(srt_end) void srt_end() { offline.reset(); }

// 0: samples, 1: tasks, 2: places for outputs, 3: the signal again, 4: nothing
SRT_EXPORT(srt_wants) int srt_wants() { return static_cast<int>(offline->engine->wants()); }

// How many of `count` samples were taken; -1 - n: n were fine, and the one behind them is no number, or absurdly large.
SRT_EXPORT(srt_push) int srt_push(const float *left, const float *right, std::size_t count)
{
    Separation &engine = *offline->engine;
    const MaskKernels &kernels = mask_kernels(the_model().kernels->name);
    float pairs[planar_block * channels];
    std::size_t taken = 0;
    while (taken < count && engine.wants() == Want::samples) {
        const std::size_t n = std::min(planar_block, count - taken);
        for (std::size_t i = 0; i < n; i++) {
            pairs[i * channels] = left[taken + i];
            pairs[i * channels + 1] = right[taken + i];
        }
        const std::size_t fine = kernels.first_beyond(pairs, n * channels, largest_sample) / channels;
        const std::size_t pushed = fine ? engine.push(pairs, fine) : 0;
        taken += pushed;
        if (pushed == fine && fine < n)
            return -1 - static_cast<int>(taken);
    }
    return static_cast<int>(taken);
}

SRT_EXPORT(srt_finish) void srt_finish() { offline->engine->finish(); }
SRT_EXPORT(srt_again) void srt_again() { offline->engine->again(); }

SRT_EXPORT(srt_tasks) int srt_tasks() { return static_cast<int>(offline->engine->tasks()); }
SRT_EXPORT(srt_run) void srt_run(int task)
{
    offline->engine->run(static_cast<std::size_t>(task), offline->workspace.data());
}
SRT_EXPORT(srt_complete) void srt_complete() { offline->engine->complete(); }

// While the tasks are networks: a task's network, among the file's, and what it reads and writes.
SRT_EXPORT(srt_networks_run) int srt_networks_run() { return offline->engine->networks_run(); }
SRT_EXPORT(srt_task_network) int srt_task_network(int task)
{
    const auto at = offline->engine->network_task(static_cast<std::size_t>(task));
    return static_cast<int>(offline->mode.networks[at.network]);
}
// How many frames of the segment are wanted, from the first one on.
SRT_EXPORT(srt_task_frames) int srt_task_frames(int task)
{
    return static_cast<int>(offline->engine->network_task(static_cast<std::size_t>(task)).frames);
}
SRT_EXPORT(srt_task_input) const float *srt_task_input(int task)
{
    return offline->engine->network_task(static_cast<std::size_t>(task)).heard;
}
SRT_EXPORT(srt_task_output) float *srt_task_output(int task)
{
    return offline->engine->network_task(static_cast<std::size_t>(task)).estimates;
}

// The samples of the next piece, for which memory is set apart here; the tasks that follow fill it.
SRT_EXPORT(srt_place) int srt_place()
{
    Offline &o = *offline;
    std::vector<float *> places;
    for (AlignedFloats &sound : o.sound)
        places.push_back(sound.data());
    const auto samples = static_cast<int>(o.engine->samples());
    o.engine->place(places.data());
    return samples;
}

// `count` samples of a stem that comes out, of the piece that was made last.
SRT_EXPORT(srt_take) void srt_take(int stem, float *left, float *right, std::size_t count)
{
    const float *pairs = offline->sound[offline->stems[static_cast<std::size_t>(stem)]].data();
    for (std::size_t i = 0; i < count; i++) {
        left[i] = pairs[i * channels];
        right[i] = pairs[i * channels + 1];
    }
}
