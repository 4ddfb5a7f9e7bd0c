// Whole signals in C; see spleeterrt.h.
#include "c/common.h"
#include "c/model.h"
#include "check.h"
#include "machine.h"
#include "offline/model_plan.h"
#include "sound/masks.h"
#include "task_threads.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

using namespace spleeterrt;

struct srt_separation {
    ModelUse model;
    LayerTable table, short_table;
    ModePlan mode;
    std::vector<std::size_t> stems; // that come out, of the mode's
    std::vector<const float *> weights;
    std::size_t threads = 1;
    std::unique_ptr<Separation> usual, brief; // gone before what they read; brief: in short segments, if asked for
    Separation *engine = nullptr;             // one of them
    std::vector<float> begun;                 // the signal so far, while it may be short
    bool undecided = false;
    std::vector<AlignedFloats> workspaces, sound; // of each thread; of each stem of the mode, the piece at hand
    std::vector<float *> workspace_of, places;    // where they lie
    std::unique_ptr<TaskThreads> helpers;         // from the first srt_separation_work on
    std::size_t filling = 0;                      // samples of the piece that the tasks make
    std::size_t ready = 0, taken = 0;             // of the finished one
};

namespace {

constexpr std::size_t channels = 2;
constexpr std::size_t planar_block = 1024; // samples at a time between planes and pairs

SRT_CHECK_END(srt_separation_options, reserved);

srt_separation_options usual_options()
{
    srt_separation_options options = {};
    options.above_band = -1.0;
    return options;
}

std::string mode_of(const srt_separation_options &o, const ModelFileConfig &config, srt_separation &s)
{
    ModeOptions options;
    options.mode = o.mode ? o.mode : "ratio";
    options.wanted = names_of(o.stems);
    options.residual = o.residual;
    options.above = o.above_band;
    if (o.stems && options.wanted.empty())
        return "stems: expected names separated by commas";
    if (o.two_stems)
        options.two_stems = o.two_stems;
    if (o.full_band && !(o.above_band < 0))
        return "above_band: full_band extends the masks themselves; use one or the other";
    if (o.wiener && o.full_band)
        return "full_band: Spleeter's Wiener filter is silent above the networks' band; use one or the other";
    return plan_separation(options, o.wiener, config, s.mode, s.stems);
}

SeparationOptions engine_options(const srt_separation_options &o, const ModelFileConfig &c, const srt_separation &s,
                                 std::size_t frames)
{
    SeparationOptions e = separation_options(c, s.mode, o.full_band, o.wiener, s.model->kernels()->name);
    e.frames = frames;
    e.segments = o.low_memory ? 1 : segments_at_a_time(s.mode, s.threads);
    const std::size_t chunks = o.low_memory ? 2 : std::max<std::size_t>(4, s.threads); // keep all threads busy
    e.piece_frames = std::min(chunks * Synthesis::chunk_frames, e.segments * e.frames);
    return e;
}

// The longest signal that one short segment holds; 0: none, or the model's own are no longer.
std::size_t most_short_samples(const srt_separation_options &o, const ModelFileConfig &c)
{
    const long long samples = static_cast<long long>(short_frames) * c.frame_step - c.frame_length;
    const bool longer = c.T > static_cast<long long>(short_frames);
    return o.short_segments && longer && samples > 0 ? static_cast<std::size_t>(samples) : 0;
}

void begin(srt_separation &s)
{
    s.engine = s.usual.get();
    s.undecided = s.brief != nullptr;
    s.begun.clear();
}

// The signal is short, or longer; what there is of it fits into a window of either engine.
void decide(srt_separation &s, Separation &engine)
{
    s.undecided = false;
    s.engine = &engine;
    const std::size_t count = s.begun.size() / channels;
    const std::size_t taken = count ? engine.push(s.begun.data(), count) : 0;
    SRT_DCHECK(taken == count);
    static_cast<void>(taken);
}

int open(srt_model &model, const srt_separation_options &options, srt_separation *&separation, std::string &problem)
{
    std::unique_ptr<srt_separation> s(new srt_separation);
    s->model = ModelUse(&model);
    const ModelFileConfig &c = model.config();
    if (options.threads < 0 || options.threads > static_cast<int>(most_threads)) {
        problem = "threads: expected 0 to " + std::to_string(most_threads) + ", got " + std::to_string(options.threads);
        return SRT_BAD_OPTIONS;
    }
    problem = mode_of(options, c, *s);
    if (!problem.empty())
        return SRT_BAD_OPTIONS;
    s->threads = options.threads ? static_cast<std::size_t>(options.threads) : usual_threads().threads;
    const SeparationOptions e = engine_options(options, c, *s, static_cast<std::size_t>(c.T));
    problem = check_separation(e, s->mode);
    if (!problem.empty())
        return SRT_BAD_OPTIONS;
    if (!model.weights(s->mode.networks, s->weights, problem))
        return SRT_BAD_MODEL;
    s->table = lower(c.network, model.plan(), c.T, c.F);
    s->usual.reset(new Separation(model.networks(s->table, s->weights), s->mode, e));
    std::size_t workspace = s->usual->most_workspace_floats(), samples = s->usual->most_samples();
    if (const std::size_t most = most_short_samples(options, c)) {
        s->short_table = lower(c.network, model.plan(), short_frames, c.F);
        s->brief.reset(new Separation(model.networks(s->short_table, s->weights), s->mode,
                                      engine_options(options, c, *s, short_frames)));
        s->begun.reserve(most * channels);
        workspace = std::max(workspace, s->brief->most_workspace_floats());
        samples = std::max(samples, s->brief->most_samples());
    }
    begin(*s);
    for (std::size_t thread = 0; thread < s->threads; thread++)
        s->workspaces.push_back(AlignedFloats::in_large_pages(workspace));
    for (AlignedFloats &one : s->workspaces)
        s->workspace_of.push_back(one.data());
    for (std::size_t stem = 0; stem < s->mode.stems.size(); stem++) {
        s->sound.push_back(AlignedFloats::in_large_pages(samples * channels));
        s->places.push_back(s->sound.back().data());
    }
    separation = s.release();
    return SRT_OK;
}

// A piece's sound goes into memory of the separation.
void settle(srt_separation &s)
{
    if (s.taken < s.ready || s.engine->wants() != Want::outputs)
        return;
    s.filling = s.engine->samples();
    s.engine->place(s.places.data());
}

void complete(srt_separation &s)
{
    s.engine->complete();
    if (s.filling) {
        s.ready = s.filling;
        s.filling = s.taken = 0;
    }
    settle(s);
}

bool wants(const srt_separation *s, int what) { return s && srt_separation_wants(s) == what; }

std::size_t take_in(srt_separation &s, const float *pairs, std::size_t count)
{
    if (s.undecided) {
        const std::size_t room = (s.begun.capacity() - s.begun.size()) / channels;
        if (room) {
            const std::size_t taken = std::min(room, count);
            s.begun.insert(s.begun.end(), pairs, pairs + taken * channels);
            return taken;
        }
        decide(s, *s.usual);
    }
    return s.engine->push(pairs, count);
}

// Of planes to pairs, and how many of these were taken.
std::size_t push_block(srt_separation &s, const float *const *input, std::size_t first, std::size_t count, bool &good)
{
    float pairs[planar_block * channels];
    for (std::size_t i = 0; i < count; i++)
        for (std::size_t c = 0; c < channels; c++)
            pairs[i * channels + c] = input[c][first + i];
    const MaskKernels &kernels = mask_kernels(s.model->kernels()->name);
    const std::size_t fine = kernels.first_beyond(pairs, count * channels, largest_sample) / channels;
    const std::size_t taken = fine ? take_in(s, pairs, fine) : 0;
    good = taken < fine || fine == count; // what was not taken comes again
    return taken;
}

std::string bad_sample(const srt_separation &s, std::size_t at)
{
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.3f", static_cast<double>(at) / s.model->config().sample_rate);
    return "input: sample " + std::to_string(at) + " (" + seconds +
           " s) is not a finite number or far beyond full scale (1.0); a separation of it would be noise";
}

int separate(srt_separation &s, const float *const *input, std::size_t count, float *const *outputs,
             std::string &problem)
{
    std::vector<float *> at_outputs(s.stems.size() * channels);
    for (std::size_t in = 0, out = 0, taken = 0;;) {
        switch (srt_separation_wants(&s)) {
        case SRT_WANTS_SAMPLES:
            if (in == count) {
                srt_separation_finish(&s);
            } else {
                const float *const rest[channels] = {input[0] + in, input[1] + in};
                const int code = srt_separation_push(&s, rest, count - in, &taken);
                in += taken;
                if (code == SRT_BAD_SAMPLE)
                    problem = bad_sample(s, in);
                if (code != SRT_OK)
                    return code;
            }
            break;
        case SRT_WANTS_TASKS:
            if (const int code = srt_separation_work(&s))
                return code;
            break;
        case SRT_WANTS_TAKING:
            for (std::size_t k = 0; k < at_outputs.size(); k++)
                at_outputs[k] = outputs[k] ? outputs[k] + out : nullptr;
            out += srt_separation_take(&s, at_outputs.data(), count - out);
            break;
        case SRT_WANTS_AGAIN:
            in = 0;
            srt_separation_again(&s);
            break;
        default: return SRT_OK;
        }
    }
}

} // namespace

extern "C" {

void srt_init_separation_options(srt_separation_options *options, size_t size)
{
    give_defaults(usual_options(), options, size);
}

int srt_separation_open(srt_model *model, const srt_separation_options *options, srt_separation **separation,
                        char *message)
{
    return guarded(message, [&]() -> int {
        if (!separation)
            return told(SRT_BAD_ARGUMENT, message, "separation: expected a place for the separation, got NULL");
        *separation = nullptr;
        if (!model)
            return told(SRT_BAD_ARGUMENT, message, "model: expected a model, got NULL");
        srt_separation_options wanted = usual_options();
        if (!take_over(options, offsetof(srt_separation_options, short_segments), wanted))
            return told(SRT_BAD_OPTIONS, message,
                        "options: begin with srt_default_separation_options() of this version of the library or an "
                        "earlier one");
        std::string problem;
        return told(open(*model, wanted, *separation, problem), message, problem);
    });
}

void srt_separation_destroy(srt_separation *separation) { delete separation; }

int srt_separation_stems(const srt_separation *separation)
{
    return separation ? static_cast<int>(separation->stems.size()) : 0;
}

const char *srt_separation_stem_name(const srt_separation *separation, int stem)
{
    if (!separation || stem < 0 || stem >= srt_separation_stems(separation))
        return nullptr;
    return separation->mode.stems[separation->stems[static_cast<std::size_t>(stem)]].c_str();
}

int srt_separation_threads(const srt_separation *separation)
{
    return separation ? static_cast<int>(separation->threads) : 0;
}

int srt_separation_wants(const srt_separation *separation)
{
    if (!separation)
        return SRT_WANTS_NOTHING;
    if (separation->taken < separation->ready)
        return SRT_WANTS_TAKING;
    switch (separation->engine->wants()) {
    case Want::samples: return SRT_WANTS_SAMPLES;
    case Want::again: return SRT_WANTS_AGAIN;
    case Want::nothing: return SRT_WANTS_NOTHING;
    default: return SRT_WANTS_TASKS;
    }
}

int srt_separation_push(srt_separation *separation, const float *const *input, size_t count, size_t *taken)
{
    if (taken)
        *taken = 0;
    if (!separation || !taken || (count && (!input || !input[0] || !input[1])))
        return SRT_BAD_ARGUMENT;
    bool good = true;
    while (good && *taken < count && wants(separation, SRT_WANTS_SAMPLES))
        *taken += push_block(*separation, input, *taken, std::min(planar_block, count - *taken), good);
    return good ? SRT_OK : SRT_BAD_SAMPLE;
}

int srt_separation_finish(srt_separation *separation)
{
    if (!wants(separation, SRT_WANTS_SAMPLES))
        return SRT_BAD_ARGUMENT;
    if (separation->undecided)
        decide(*separation, *separation->brief);
    separation->engine->finish();
    return SRT_OK;
}

size_t srt_separation_tasks(const srt_separation *separation)
{
    return wants(separation, SRT_WANTS_TASKS) ? separation->engine->tasks() : 0;
}

int srt_separation_run(srt_separation *separation, size_t task, int thread)
{
    if (task >= srt_separation_tasks(separation) || thread < 0 || thread >= srt_separation_threads(separation))
        return SRT_BAD_ARGUMENT;
    separation->engine->run(task, separation->workspaces[static_cast<std::size_t>(thread)].data());
    return SRT_OK;
}

int srt_separation_complete(srt_separation *separation)
{
    if (!wants(separation, SRT_WANTS_TASKS))
        return SRT_BAD_ARGUMENT;
    complete(*separation);
    return SRT_OK;
}

int srt_separation_work(srt_separation *separation)
{
    return guarded(nullptr, [&]() -> int {
        if (!wants(separation, SRT_WANTS_TASKS))
            return SRT_BAD_ARGUMENT;
        srt_separation &s = *separation;
        if (!s.helpers)
            s.helpers.reset(new TaskThreads(s.threads));
        Separation &engine = *s.engine;
        if (engine.networks_run())
            s.helpers->run_networks(engine.tasks(),
                                    [&](std::size_t task, std::size_t thread, fast_team *team) {
                                        engine.run_network(task, s.workspaces[thread].data(), team);
                                    },
                                    s.threads, {s.workspace_of.data(), engine.workspace_floats()});
        else
            s.helpers->run(engine.tasks(), [&](std::size_t task, std::size_t thread) {
                engine.run(task, s.workspaces[thread].data());
            });
        complete(s);
        return SRT_OK;
    });
}

size_t srt_separation_ready(const srt_separation *separation)
{
    return separation ? separation->ready - separation->taken : 0;
}

size_t srt_separation_take(srt_separation *separation, float *const *outputs, size_t count)
{
    if (!separation || !outputs)
        return 0;
    srt_separation &s = *separation;
    const std::size_t taken = std::min(count, s.ready - s.taken);
    for (std::size_t k = 0; k < s.stems.size() * channels; k++) {
        const float *from = s.places[s.stems[k / channels]] + s.taken * channels + k % channels;
        for (std::size_t i = 0; outputs[k] && i < taken; i++)
            outputs[k][i] = from[i * channels];
    }
    s.taken += taken;
    settle(s);
    return taken;
}

int srt_separation_again(srt_separation *separation)
{
    if (!wants(separation, SRT_WANTS_AGAIN))
        return SRT_BAD_ARGUMENT;
    separation->engine->again();
    return SRT_OK;
}

int srt_separation_reset(srt_separation *separation)
{
    if (!separation)
        return SRT_BAD_ARGUMENT;
    separation->usual->reset();
    if (separation->brief)
        separation->brief->reset();
    begin(*separation);
    separation->filling = separation->ready = separation->taken = 0;
    return SRT_OK;
}

int srt_separate(srt_model *model, const srt_separation_options *options, const float *const *input, size_t count,
                 float *const *outputs, char *message)
{
    if (!outputs || (count && (!input || !input[0] || !input[1])))
        return told(SRT_BAD_ARGUMENT, message,
                    "input, outputs: expected the samples of two channels, and places for "
                    "those of two channels of each stem");
    srt_separation *separation = nullptr;
    const int code = srt_separation_open(model, options, &separation, message);
    if (code != SRT_OK)
        return code;
    const std::unique_ptr<srt_separation, void (*)(srt_separation *)> owned(separation, srt_separation_destroy);
    return guarded(message, [&]() -> int {
        std::string problem;
        const int done = separate(*separation, input, count, outputs, problem);
        return told(done, message, problem.empty() ? srt_code_text(done) : problem);
    });
}

} // extern "C"
