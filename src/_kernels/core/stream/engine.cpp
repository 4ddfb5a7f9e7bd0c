#include "stream/engine.h"

#include "check.h"
#include "clock.h"
#include "denormals.h"
#include "realtime.h"
#include "stream/integers.h"
#if SPLEETERRT_THREADS
#include "stream/workers.h"
#endif

#include <algorithm>

namespace spleeterrt {
namespace {

StreamOptions with_defaults(StreamOptions options, const StreamShape &shape)
{
    options.synthesis = shape.synthesis;
    options.budget = shape.budget;
    return options;
}

// The stem that is the input minus the others; -1: none.
std::ptrdiff_t residual_stem(const ModePlan &mode, const StreamOptions &options)
{
    if (!options.residual)
        return -1;
    return mode.rest >= 0 ? mode.rest : static_cast<std::ptrdiff_t>(mode.stems.size()) - 1;
}

StreamInput from(const StreamInput &in, std::size_t at)
{
    const std::ptrdiff_t samples = static_cast<std::ptrdiff_t>(at) * in.stride;
    return {{in.channel[0] + samples, in.channel[1] + samples}, in.stride};
}

} // namespace

StreamEngine::StreamEngine(const NetworkSet &networks, const ModePlan &mode, const StreamOptions &options)
    : shape_(stream_shape(options)), options_(with_defaults(options, shape_)), stems_(mode.stems.size()),
      workspace_floats_(networks.workspace_floats), networks_(networks, mode, options_, shape_),
      runs_(networks_, options_, shape_, mode.networks.size(), mode.cascade), masks_(mode, options_, shape_, runs_),
      signal_(options_, shape_, stems_, residual_stem(mode, options_), *this), mixer_(options_, stems_),
      sources_(stems_), lead_(static_cast<double>(shape_.block) / options_.sample_rate,
                              static_cast<double>(options_.frame_step) / options_.model_rate),
      realtime_(options_.realtime)
{
    SRT_DCHECK(check_stream(options, stems_).empty());
    make_workers();
    runs_.work_with(workers_.get());
    start(0);
}

void StreamEngine::make_workers()
{
#if SPLEETERRT_THREADS
    if (!options_.caller_runs) {
        const auto pool = options_.shared_threads ? shared_pool(options_.niceness, options_.priority)
                                                  : std::make_shared<ThreadPool>(options_.niceness, options_.priority);
        workers_.reset(new PoolMember(pool, runs_, options_.threads, workspace_floats_));
        return;
    }
#endif
    workers_.reset(new CallersThread(workspace_floats_));
}

StreamEngine::~StreamEngine() = default;

void StreamEngine::start(std::int64_t position)
{
    lead_.reset();
    runs_.start();
    masks_.begin_call(realtime_.load(std::memory_order_relaxed) == 0);
    mixer_.start();
    signal_.start(position);
    const std::int64_t before = floor_div(signal_.first_frame(), static_cast<std::int64_t>(options_.hop_frames)) - 1;
    masks_.start(signal_.first_frame(), before);
    runs_.set_submitted(before); // the first call may come at once
}

// A sample depends on the frames that hold it, these on a run, maybe on one before, and that on T frames; in hold mode
// on a run that is older by its budget.
std::size_t StreamEngine::settling() const
{
    const std::size_t step = options_.frame_step, hop = options_.hop_frames;
    std::size_t frames = options_.frames + 1 + (options_.crossfade ? hop : 0);
    if (options_.hold)
        frames += hop + (options_.budget + step - 1) / step;
    const double ratio = static_cast<double>(options_.sample_rate) / options_.model_rate;
    const double core = static_cast<double>(2 * options_.frame_length + frames * step) * ratio;
    const double filters = static_cast<double>(shape_.latency) - ratio * static_cast<double>(shape_.core_latency);
    return shape_.latency + static_cast<std::size_t>(core + 2 * std::max(0.0, filters)) + 1;
}

void StreamEngine::analysed(std::int64_t frame)
{
    const std::int64_t frames = frame + 1, hop = static_cast<std::int64_t>(options_.hop_frames);
    // A run whose frames all lie before the signal is not needed.
    if (frames % hop == 0 && frames - static_cast<std::int64_t>(options_.lookahead) > signal_.first_frame())
        runs_.submit(frames / hop - 1, frames, masks_.waiting());
}

// Whether the call that brings `count` samples waits for the networks.
bool StreamEngine::wait_now(double now, std::size_t count)
{
    lead_.came(now - runs_.waited(), static_cast<double>(count) / options_.sample_rate);
    const int realtime = realtime_.load(std::memory_order_relaxed);
    const bool waiting = realtime == 0 || (realtime == 2 && lead_.ahead());
    runs_.set_newest_first(options_.hold && !waiting);
    return waiting;
}

void StreamEngine::process(const StreamInput &in, const StreamOutput *outs, const StreamOutput &mix, std::size_t count)
{
    if (count == 0)
        return;
    SRT_DCHECK(count <= shape_.block && (!shape_.fixed || count == shape_.block));
    SRT_DCHECK(in.channel[0] && in.channel[1] && outs);
    const NoDenormals fast;
    const double begun = seconds();
    const bool wait = wait_now(begun, count);
    const RealtimeScope scope(!wait);
    masks_.begin_call(wait);
    mixer_.read_gains();
    // In pieces, so that few windows are begun at a time, whatever the host's blocks.
    for (std::size_t at = 0; at < count; at += shape_.piece) {
        const std::size_t n = std::min(shape_.piece, count - at);
        run_block(from(in, at), n, outs, mix, at, n);
    }
    const double took = seconds() - begun;
    process_seconds_.add(took);
    process_load_.add(took * options_.sample_rate / static_cast<double>(count));
}

// `count` samples in; `out_count` out, from the place `at` of the outputs on.
void StreamEngine::run_block(const StreamInput &in, std::size_t count, const StreamOutput *outs,
                             const StreamOutput &mix, std::size_t at, std::size_t out_count)
{
    signal_.take(in, count);
    for (const std::size_t end = at + out_count; at < end;) {
        const std::size_t n = signal_.next(end - at, sources_.data());
        mixer_.write(sources_.data(), outs, mix, at, n);
        at += n;
    }
}

void StreamEngine::flush(const StreamOutput *outs, const StreamOutput &mix)
{
    const NoDenormals fast;
    static const float zero = 0.0f;
    const StreamInput silence = {{&zero, &zero}, 0};
    // Runs that are too late hold slots that are needed here.
    const std::int64_t due = masks_.due_run(signal_.next_frame());
    runs_.release(due - 1);
    runs_.settle();
    runs_.release(due - 1);
    masks_.begin_call(true);
    mixer_.read_gains();
    for (std::size_t left = shape_.latency; left > 0;) {
        const std::size_t n = std::min(shape_.piece, left);
        run_block(silence, shape_.piece, outs, mix, shape_.latency - left, n);
        left -= n;
    }
    reset();
}

void StreamEngine::reset(std::int64_t position)
{
    SRT_DCHECK(!shape_.fixed || position % static_cast<std::int64_t>(shape_.block) == 0);
    start(position);
}

StreamStats StreamEngine::stats() const
{
    StreamStats s;
    runs_.add_stats(s);
    masks_.add_stats(s);
    signal_.add_stats(s);
    s.process_seconds = process_seconds_.mean();
    s.worst_process_seconds = process_seconds_.worst();
    s.process_load = process_load_.mean();
    s.priority_refused = workers_->priority_refused();
    return s;
}

void StreamEngine::reset_stats()
{
    runs_.reset_stats();
    masks_.reset_stats();
    signal_.reset_stats();
    process_seconds_.reset();
    process_load_.reset();
}

} // namespace spleeterrt
