#include "stream/engine.h"

#include "clock.h"
#include "denormals.h"
#include "network/elementwise.h"
#include "stream/synthesis_windows.h"
#include "stream/worker_threads.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <system_error>

namespace spleeterrt {
namespace {

constexpr std::size_t channels = 2;
constexpr std::size_t fade_frames = 8;      // from held masks to the mix
constexpr std::size_t resampled_chunk = 64; // samples of output at a time
constexpr float absurd = 1e15f;             // the squares of louder signals' spectra leave float32
constexpr float inaudible = 1e-30f;         // below, arithmetic is slow (denormal numbers)
constexpr double smoothing = 0.1;           // of the latest value in running means

constexpr auto relaxed = std::memory_order_relaxed;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return -floor_div(-a, b); }

// Running means begin with their first value.
void smooth(std::atomic<double> &mean, double value)
{
    const double before = mean.load(relaxed);
    mean.store(before == 0 ? value : before * (1 - smoothing) + value * smoothing, relaxed);
}

StreamInput from(const StreamInput &in, std::size_t at)
{
    const std::ptrdiff_t samples = static_cast<std::ptrdiff_t>(at) * in.stride;
    return {{in.channel[0] + samples, in.channel[1] + samples}, in.stride};
}

template <typename T> void raise_to(std::atomic<T> &most, T value)
{
    T seen = most.load(relaxed);
    while (value > seen && !most.compare_exchange_weak(seen, value, relaxed)) {
    }
}

} // namespace

StreamEngine::StreamEngine(const StreamNetwork &network, const StreamOptions &options)
    : network_(network), options_(options), shape_(stream_shape(options)), stems_(network.mode.stems.size()),
      networks_(network.mode.networks.size()), tasks_per_run_(network.mode.cascade ? 1 : networks_)
{
    StreamOptions &o = options_;
    o.synthesis = shape_.synthesis;
    o.budget = shape_.budget;
    set_masks_of_silence();
    const std::size_t stems = stems_, values = o.bins * channels;
    // Only the frames that are kept are computed.
    layers_.assign(network.layers, network.layers + network.n_layers);
    want_frames(layers_.data(), static_cast<std::ptrdiff_t>(layers_.size()),
                static_cast<std::ptrdiff_t>(shape_.first_row),
                static_cast<std::ptrdiff_t>(shape_.first_row + shape_.rows));
    ramp_ = std::max<std::size_t>(1, static_cast<std::size_t>(o.ramp_seconds * o.sample_rate));
    hold_frames_ =
        static_cast<std::size_t>(std::ceil(o.hold_seconds * o.model_rate / static_cast<double>(o.frame_step)));

    const Windows windows = stream_windows(o.frame_length, o.frame_step, o.synthesis);
    const auto stft = [&](const std::vector<float> &analysis) {
        return make_stft(o.isa, o.frame_length, o.frame_step, o.fft_length, analysis.data(), windows.synthesis.data());
    };
    heard_.reset(stft(windows.heard));
    masked_.reset(stft(windows.analysis));
    if (o.sample_rate != o.model_rate) {
        down_filter_.reset(new ResamplerFilter(o.sample_rate, o.model_rate));
        const double ratio = static_cast<double>(o.sample_rate) / o.model_rate;
        const double up = (static_cast<double>(shape_.latency) - down_filter_->delay()) / ratio -
                          static_cast<double>(shape_.core_latency);
        up_filter_.reset(new ResamplerFilter(o.model_rate, o.sample_rate,
                                             up - ResamplerFilter::least_delay(o.model_rate, o.sample_rate)));
        down_.reset(new Resampler(*down_filter_));
        for (std::size_t s = 0; s < stems; s++)
            up_.emplace_back(*up_filter_);
        out_.resize(stems * resampled_chunk * channels);
    }

    try {
        const auto take = [&](std::size_t floats) {
            memory_.emplace_back(floats);
            std::memset(memory_.back().data(), 0, floats * sizeof(float)); // touched here, not in the audio callback
            return memory_.back().data();
        };
        ring_samples_ = shape_.core_latency + shape_.model_piece + 2 * o.frame_length + o.frame_step;
        ring_ = take(ring_samples_ * channels);
        magnitudes_ = take(o.frames * values);
        frame_ = take(o.frame_length * channels);
        scratch_ = take(std::max(heard_->scratch_floats(), masked_->scratch_floats()));
        masks_ = take(stems * values);
        held_ = take(stems * values);
        other_ = take(stems * values);
        extensions_ = take(stems * channels);
        sums_ = take(stems * o.frame_length * channels);
        ready_ = take(stems * o.frame_step * channels);
        zeros_ = take(o.frame_step * channels);
        held_extensions_ = take(stems * channels);
        gains_.reset(new Gain[stems]);
        sources_.resize(stems);
        slots_.reset(new Slot[shape_.slots]);
        for (std::size_t i = 0; i < shape_.slots; i++) {
            slots_[i].window = take(o.frames * values);
            slots_[i].estimates = take(networks_ * shape_.rows * values);
            if (network.mode.cascade)
                slots_[i].rest = take(o.frames * values);
        }
        workers_.reset(new Worker[o.threads]);
        for (std::size_t i = 0; i < o.threads; i++)
            workers_[i].workspace = take(network.workspace_floats);
        start();
        start_workers();
    } catch (...) {
        shut_down();
        throw;
    }
}

// As many as the system gives.
void StreamEngine::start_workers()
{
    const NoSignals quiet; // the host's handlers run in the host's threads
    std::size_t &threads = options_.threads;
    for (std::size_t i = 0; i < threads; i++) {
        try {
            workers_[i].thread = std::thread([this, i] { work(workers_[i]); });
        } catch (const std::system_error &) {
            if (i == 0)
                throw;
            threads = i;
        }
    }
}

StreamEngine::~StreamEngine() { shut_down(); }

void StreamEngine::shut_down()
{
    stop_.store(true);
    pause(false);
    for (std::size_t i = 0; workers_ && i < options_.threads; i++)
        tasks_.post();
    for (std::size_t i = 0; workers_ && i < options_.threads; i++)
        if (workers_[i].thread.joinable())
            workers_[i].thread.join();
}

// --- the signal, in the caller's thread ------------------------------------------------------

void StreamEngine::set_masks_of_silence()
{
    const ModePlan &mode = network_.mode;
    silent_.assign(stems_, mode.ratio ? 1.0f / static_cast<float>(stems_) : mode.share);
    above_.assign(stems_, mode.ratio ? 0.0f : mode.above);
    for (std::vector<float> *masks : {&silent_, &above_}) {
        if (mode.rest < 0)
            continue;
        float &rest = (*masks)[static_cast<std::size_t>(mode.rest)];
        rest = 1.0f - (std::accumulate(masks->begin(), masks->end(), 0.0f) - rest);
    }
}

void StreamEngine::start()
{
    const std::size_t stems = stems_, values = options_.bins * channels;
    received_ = frames_ = 0;
    emitted_ = -static_cast<std::int64_t>(shape_.core_latency);
    // Frames before the first one are silent; so is all of frame 0.
    const std::int64_t window = static_cast<std::int64_t>(options_.synthesis);
    synthesised_ =
        std::max<std::int64_t>(0, ceil_div(emitted_ + window, static_cast<std::int64_t>(options_.frame_step)));
    std::memset(magnitudes_, 0, options_.frames * values * sizeof(float));
    std::memset(sums_, 0, stems * options_.frame_length * channels * sizeof(float));
    for (std::size_t s = 0; s < stems; s++)
        std::fill_n(masks_ + s * values, values, silent_[s]);
    extend();
    covered_in_a_row_ = 0;
    last_used_ = last_counted_ = submitted_ = begun_before_ = -1;
    if (down_) {
        down_->reset();
        for (Resampler &up : up_)
            up.reset();
    }
    for (std::size_t s = 0; s < stems; s++) {
        gains_[s].goal = gains_[s].target.load(relaxed);
        gains_[s].done = ramp_;
    }
    finish_frame();
    submitted_ = -1; // the first call may come at once
}

void StreamEngine::process(const StreamInput &in, const StreamOutput *outs, const StreamOutput &mix, std::size_t count)
{
    if (count == 0)
        return;
    const NoDenormals fast;
    const double begun = seconds();
    waiting_ = !options_.realtime;
    begun_before_ = submitted_;
    read_gains();
    // In pieces, so that few windows are begun at a time, whatever the host's blocks.
    for (std::size_t at = 0; at < count; at += shape_.piece) {
        const std::size_t n = std::min(shape_.piece, count - at);
        run_block(from(in, at), n, outs, mix, at, n);
    }
    const double took = seconds() - begun;
    const double load = took * options_.sample_rate / static_cast<double>(count);
    smooth(process_seconds_, took);
    smooth(process_load_, load);
    raise_to(worst_process_, took);
}

void StreamEngine::read_gains()
{
    for (std::size_t s = 0; s < stems_; s++) {
        Gain &gain = gains_[s];
        const float target = gain.target.load(relaxed);
        if (target != gain.goal) {
            gain.from = gain_at(gain, 0);
            gain.goal = target;
            gain.done = 0;
        }
    }
}

// `count` samples in; `out_count` out, from the place `at` of the outputs on.
void StreamEngine::run_block(const StreamInput &in, std::size_t count, const StreamOutput *outs,
                             const StreamOutput &mix, std::size_t at, std::size_t out_count)
{
    take(in, count);
    const std::size_t step = options_.frame_step;
    for (const std::size_t end = at + out_count; at < end;) {
        std::size_t n;
        if (up_filter_) {
            n = std::min(end - at, resampled_chunk);
            for (std::size_t i = 0; i < n; i++)
                next_resampled(i);
            for (std::size_t s = 0; s < stems_; s++)
                sources_[s] = out_.data() + s * resampled_chunk * channels;
        } else {
            n = std::min(end - at, advance());
            for (std::size_t s = 0; s < stems_; s++)
                sources_[s] = emitted_ < 0 ? zeros_ : ready_ + (s * step + ready_at()) * channels;
            emitted_ += static_cast<std::int64_t>(n);
        }
        write(outs, mix, at, n);
        at += n;
    }
}

void StreamEngine::take(const StreamInput &in, std::size_t count)
{
    std::uint64_t repaired = 0;
    for (std::size_t i = 0; i < count; i++) {
        float x[channels];
        for (std::size_t c = 0; c < channels; c++) {
            x[c] = in.channel[c][static_cast<std::ptrdiff_t>(i) * in.stride];
            const float size = std::fabs(x[c]);
            if (!(size < absurd)) {
                x[c] = 0.0f;
                repaired++;
            } else if (size < inaudible) {
                x[c] = 0.0f;
            }
        }
        if (down_) {
            down_->push(x[0], x[1]);
            while (down_->ready()) {
                down_->next(x[0], x[1]);
                append(x[0], x[1]);
            }
        } else {
            append(x[0], x[1]);
        }
    }
    if (repaired)
        repaired_.fetch_add(repaired, relaxed);
}

void StreamEngine::append(float left, float right)
{
    float *at = ring_ + static_cast<std::size_t>(received_) % ring_samples_ * channels;
    at[0] = left;
    at[1] = right;
    received_++;
    if (received_ == frames_ * static_cast<std::int64_t>(options_.frame_step))
        finish_frame();
}

// Copies a frame out of the ring; the signal begins with silence.
void StreamEngine::gather(std::int64_t frame)
{
    const std::int64_t length = static_cast<std::int64_t>(options_.frame_length);
    const std::int64_t first = frame * static_cast<std::int64_t>(options_.frame_step) - length;
    const std::int64_t silent = std::min(length, std::max<std::int64_t>(0, -first));
    std::memset(frame_, 0, static_cast<std::size_t>(silent) * channels * sizeof(float));
    std::size_t to = static_cast<std::size_t>(silent);
    while (to < options_.frame_length) {
        const std::size_t at = static_cast<std::size_t>(first + static_cast<std::int64_t>(to)) % ring_samples_;
        const std::size_t n = std::min(options_.frame_length - to, ring_samples_ - at);
        std::memcpy(frame_ + to * channels, ring_ + at * channels, n * channels * sizeof(float));
        to += n;
    }
}

void StreamEngine::finish_frame()
{
    const std::int64_t frame = frames_++;
    float *row = magnitudes_ + static_cast<std::size_t>(frame) % options_.frames * options_.bins * channels;
    gather(frame);
    heard_->transform_one(frame_, scratch_);
    heard_->magnitude(1, row, options_.bins, scratch_);
    const std::int64_t hop = static_cast<std::int64_t>(options_.hop_frames);
    // A run whose frames all lie before the signal is not needed.
    if (frames_ % hop == 0 && frames_ > static_cast<std::int64_t>(options_.lookahead))
        submit(frames_ / hop - 1);
}

void StreamEngine::submit(std::int64_t run)
{
    Slot *slot = nullptr;
    for (std::size_t i = 0; i < shape_.slots && !slot; i++)
        if (slots_[i].state.load(std::memory_order_acquire) == Free)
            slot = &slots_[i];
    if (!slot) { // all hold runs that are far too late; in hold mode the newest one counts
        dropped_.fetch_add(1, relaxed);
        if (options_.hold)
            slot = take_back();
        if (!slot)
            return;
    }
    submitted_ = run;
    const std::size_t row = options_.bins * channels;
    const std::size_t oldest = static_cast<std::size_t>(frames_) % options_.frames;
    const std::size_t rest = options_.frames - oldest;
    std::memcpy(slot->window, magnitudes_ + oldest * row, rest * row * sizeof(float));
    std::memcpy(slot->window + rest * row, magnitudes_, oldest * row * sizeof(float));
    slot->run.store(run, relaxed);
    slot->begun.store(seconds(), relaxed);
    slot->left.store(tasks_per_run_, relaxed);
    slot->state.store(Pending, std::memory_order_release);
    for (std::size_t i = 0; i < std::min(tasks_per_run_, options_.threads); i++)
        tasks_.post();
}

// --- stems, in the caller's thread -----------------------------------------------------------

// Makes the sample at emitted_ ready; how many are, from there on.
std::size_t StreamEngine::advance()
{
    const std::int64_t step = static_cast<std::int64_t>(options_.frame_step);
    const std::int64_t window = static_cast<std::int64_t>(options_.synthesis);
    while (emitted_ >= synthesised_ * step - window)
        synthesise_frame();
    const std::int64_t n = std::min(synthesised_ * step - window - emitted_, step);
    return static_cast<std::size_t>(emitted_ < 0 ? std::min(n, -emitted_) : n);
}

// Where the sample at emitted_ lies in ready_. What leaks before the beginning of the signal is not there: it is cut
// off, as offline.
std::size_t StreamEngine::ready_at() const
{
    const std::int64_t step = static_cast<std::int64_t>(options_.frame_step);
    return static_cast<std::size_t>(emitted_ + static_cast<std::int64_t>(options_.synthesis) -
                                    (synthesised_ - 1) * step);
}

void StreamEngine::next_resampled(std::size_t at)
{
    while (!up_[0].ready()) {
        const std::size_t step = options_.frame_step;
        advance();
        for (std::size_t s = 0; s < stems_; s++) {
            const float *x = emitted_ < 0 ? zeros_ : ready_ + (s * step + ready_at()) * channels;
            up_[s].push(x[0], x[1]);
        }
        emitted_++;
    }
    for (std::size_t s = 0; s < stems_; s++) {
        float *y = out_.data() + (s * resampled_chunk + at) * channels;
        up_[s].next(y[0], y[1]);
    }
}

void StreamEngine::synthesise_frame()
{
    const std::size_t stems = stems_, values = options_.bins * channels;
    const std::size_t length = options_.frame_length, step = options_.frame_step;
    const std::int64_t frame = synthesised_;
    choose_masks(frame);
    gather(frame);
    masked_->transform_one(frame_, scratch_);
    for (std::size_t first = 0; first < stems; first += Stft::frames_per_group) {
        const std::size_t count = std::min(Stft::frames_per_group, stems - first);
        Stft::Lane lanes[Stft::frames_per_group] = {};
        for (std::size_t k = 0; k < count; k++) {
            const std::size_t s = first + k;
            lanes[k] = {masks_ + s * values, extensions_ + s * channels, sums_ + s * length * channels};
        }
        masked_->synthesise(lanes, count, options_.bins, scratch_);
    }
    const std::size_t skip = length - options_.synthesis;
    for (std::size_t s = 0; s < stems; s++) {
        float *sum = sums_ + s * length * channels, *ready = ready_ + s * step * channels;
        std::memcpy(ready, sum + skip * channels, step * channels * sizeof(float));
        std::memmove(sum, sum + step * channels, (length - step) * channels * sizeof(float));
        std::memset(sum + (length - step) * channels, 0, step * channels * sizeof(float));
    }
    synthesised_++;
}

// The run that gives a frame its masks (hold: the newest that has had its time when the frame comes); negative:
// none.
std::int64_t StreamEngine::due_run(std::int64_t frame) const
{
    const std::int64_t hop = static_cast<std::int64_t>(options_.hop_frames);
    if (!options_.hold)
        return floor_div(frame + static_cast<std::int64_t>(options_.lookahead), hop);
    const std::int64_t lag =
        ceil_div(static_cast<std::int64_t>(options_.budget), static_cast<std::int64_t>(options_.frame_step));
    return std::max<std::int64_t>(-1, floor_div(frame + 1 - lag, hop) - 1);
}

void StreamEngine::choose_masks(std::int64_t frame)
{
    std::int64_t run = due_run(frame);
    if (options_.hold && !waiting_) // one that began in this very call has had no time
        run = std::min(run, begun_before_);
    if (options_.hold && run <= last_used_ && (waiting_ || !newest_done(last_used_ + 1)))
        return; // still the newest
    Slot *slot = nullptr;
    std::size_t row = shape_.rows - 1;
    if (options_.hold && !waiting_) {
        slot = newest_done(last_used_ + 1);
    } else {
        slot = await(run);
        if (!options_.hold)
            row = static_cast<std::size_t>(frame + static_cast<std::int64_t>(options_.lookahead) -
                                           run * static_cast<std::int64_t>(options_.hop_frames));
    }
    const std::int64_t used = slot ? slot->run.load(relaxed) : -1;
    if (used < run && run > last_counted_) {
        last_counted_ = run;
        underruns_.fetch_add(1, relaxed);
    }
    if (used >= run) {
        masks_of(*slot, row, masks_);
        if (row < options_.crossfade)
            fade_in(run, row);
        extend();
        covered_in_a_row_ = 0;
        last_used_ = used;
    } else {
        cover();
    }
    release(options_.crossfade && used >= run ? run - 1 : std::max(run, options_.hold ? last_used_ : run));
}

StreamEngine::Slot *StreamEngine::find(std::int64_t run)
{
    for (std::size_t i = 0; i < shape_.slots; i++) {
        Slot &slot = slots_[i];
        if (slot.state.load(std::memory_order_acquire) != Free && slot.run.load(relaxed) == run)
            return &slot;
    }
    return nullptr;
}

// The oldest run that waits, before a worker takes it.
StreamEngine::Slot *StreamEngine::take_back()
{
    Slot *oldest = nullptr;
    for (std::size_t i = 0; i < shape_.slots; i++) {
        Slot &slot = slots_[i];
        if (slot.state.load(std::memory_order_acquire) == Pending &&
            (!oldest || slot.run.load(relaxed) < oldest->run.load(relaxed)))
            oldest = &slot;
    }
    int state = Pending;
    const bool taken = oldest && oldest->state.compare_exchange_strong(state, Free, std::memory_order_acq_rel);
    return taken ? oldest : nullptr;
}

StreamEngine::Slot *StreamEngine::newest_done(std::int64_t from)
{
    Slot *newest = nullptr;
    for (std::size_t i = 0; i < shape_.slots; i++) {
        Slot &slot = slots_[i];
        if (slot.state.load(std::memory_order_acquire) != Done || slot.run.load(relaxed) < from)
            continue;
        if (!newest || slot.run.load(relaxed) > newest->run.load(relaxed))
            newest = &slot;
    }
    return newest;
}

// A run that is ready; in real time nullptr if it is not.
StreamEngine::Slot *StreamEngine::await(std::int64_t run)
{
    Slot *slot = find(run);
    if (!slot)
        return nullptr;
    const auto done = [&] { return slot->state.load(std::memory_order_acquire) == Done; };
    if (!done() && waiting_)
        wait_for(done);
    return done() ? slot : nullptr;
}

template <typename Condition> void StreamEngine::wait_for(Condition condition)
{
    std::unique_lock<std::mutex> lock(finished_mutex_);
    finished_.wait(lock, condition);
}

void StreamEngine::masks_of(const Slot &slot, std::size_t row, float *masks)
{
    const std::size_t values = options_.bins * channels, plane = shape_.rows * values;
    const float *estimates = slot.estimates + row * values;
    const ModePlan &mode = network_.mode;
    if (mode.ratio) {
        ratio_masks(estimates, plane, stems_, values, options_.exponent, masks);
        return;
    }
    const float *magnitudes = slot.window + (shape_.first_row + row) * values;
    float *rest = mode.rest < 0 ? nullptr : masks + static_cast<std::size_t>(mode.rest) * values;
    if (rest)
        std::fill_n(rest, values, 1.0f);
    for (std::size_t k = 0; k < networks_; k++) {
        if (mode.made[k] < 0)
            continue;
        float *mask = masks + static_cast<std::size_t>(mode.made[k]) * values;
        own_mask(estimates + k * plane, magnitudes, values, mode.share, mask);
        for (std::size_t i = 0; rest && i < values; i++)
            rest[i] -= mask[i];
    }
}

void StreamEngine::extend()
{
    const std::size_t values = options_.bins * channels;
    for (std::size_t s = 0; s < stems_; s++) {
        float *above = extensions_ + s * channels;
        above[0] = above[1] = above_[s];
        if (options_.average)
            mean_mask(masks_ + s * values, options_.bins, above);
    }
}

// The first frames of a run: from what the run before says of them, or held where it says nothing.
void StreamEngine::fade_in(std::int64_t run, std::size_t row)
{
    Slot *before = find(run - 1);
    if (!before || before->state.load(std::memory_order_acquire) != Done)
        return;
    masks_of(*before, std::min(options_.hop_frames + row, shape_.rows - 1), other_);
    const float weight = static_cast<float>(row + 1) / static_cast<float>(options_.crossfade + 1);
    const std::size_t n = stems_ * options_.bins * channels;
    for (std::size_t i = 0; i < n; i++)
        masks_[i] = other_[i] + weight * (masks_[i] - other_[i]);
}

// A frame without masks of its own.
void StreamEngine::cover()
{
    covered_.fetch_add(1, relaxed);
    // What came too late may still be newer than what is held.
    if (Slot *late = newest_done(last_used_ + 1)) {
        masks_of(*late, shape_.rows - 1, masks_);
        extend();
        last_used_ = late->run.load(relaxed);
        covered_in_a_row_ = 0;
    }
    const std::size_t n = options_.bins * channels;
    if (covered_in_a_row_++ == 0) {
        std::memcpy(held_, masks_, stems_ * n * sizeof(float));
        std::memcpy(held_extensions_, extensions_, stems_ * channels * sizeof(float));
    }
    if (covered_in_a_row_ <= hold_frames_)
        return;
    const std::size_t since = std::min(covered_in_a_row_ - hold_frames_, fade_frames);
    const float weight = static_cast<float>(since) / static_cast<float>(fade_frames);
    for (std::size_t s = 0; s < stems_; s++) {
        const float goal = s == options_.cover ? 1.0f : 0.0f;
        for (std::size_t i = s * n; i < (s + 1) * n; i++)
            masks_[i] = held_[i] + weight * (goal - held_[i]);
        for (std::size_t i = s * channels; i < (s + 1) * channels; i++)
            extensions_[i] = held_extensions_[i] + weight * (goal - held_extensions_[i]);
    }
}

// Forgets the runs before `before` that are finished or not begun.
void StreamEngine::release(std::int64_t before)
{
    for (std::size_t i = 0; i < shape_.slots; i++) {
        Slot &slot = slots_[i];
        int state = slot.state.load(std::memory_order_acquire);
        if (slot.run.load(relaxed) >= before)
            continue;
        if (state == Done)
            slot.state.store(Free, std::memory_order_release);
        else if (state == Pending && slot.state.compare_exchange_strong(state, Free, std::memory_order_acq_rel))
            dropped_.fetch_add(1, relaxed);
    }
}

// The gain of the i-th sample from here.
float StreamEngine::gain_at(const Gain &gain, std::size_t i) const
{
    if (gain.done + i >= ramp_)
        return gain.goal;
    return gain.from + (gain.goal - gain.from) * (static_cast<float>(gain.done + i) / static_cast<float>(ramp_));
}

void StreamEngine::write(const StreamOutput *outs, const StreamOutput &mix, std::size_t at, std::size_t count)
{
    const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(at), n = static_cast<std::ptrdiff_t>(count);
    for (std::size_t c = 0; c < channels; c++) {
        float *sum = mix.channel[c] ? mix.channel[c] + first * mix.stride : nullptr;
        for (std::ptrdiff_t i = 0; sum && i < n; i++)
            sum[i * mix.stride] = 0.0f;
        for (std::size_t s = 0; s < stems_; s++) {
            const Gain &gain = gains_[s];
            const bool steady = gain.done >= ramp_;
            const float *from = sources_[s] + c;
            float *to = outs[s].channel[c] ? outs[s].channel[c] + first * outs[s].stride : nullptr;
            for (std::ptrdiff_t i = 0; (to || sum) && i < n; i++) {
                float value = from[i * static_cast<std::ptrdiff_t>(channels)];
                value *= steady ? gain.goal : gain_at(gain, static_cast<std::size_t>(i));
                if (to)
                    to[i * outs[s].stride] = value;
                if (sum)
                    sum[i * mix.stride] += value;
            }
        }
    }
    for (std::size_t s = 0; s < stems_; s++)
        gains_[s].done = std::min(gains_[s].done + count, ramp_);
}

// --- between signals --------------------------------------------------------------------------

void StreamEngine::flush(const StreamOutput *outs, const StreamOutput &mix)
{
    const NoDenormals fast;
    static const float zero = 0.0f;
    const StreamInput silence = {{&zero, &zero}, 0};
    // Runs that are too late hold slots that are needed here.
    release(due_run(synthesised_) - 1);
    for (std::size_t i = 0; i < shape_.slots; i++)
        wait_for([&] { return slots_[i].state.load(std::memory_order_acquire) != Running; });
    release(due_run(synthesised_) - 1);
    waiting_ = true;
    read_gains();
    for (std::size_t left = shape_.latency; left > 0;) {
        const std::size_t n = std::min(shape_.piece, left);
        run_block(silence, shape_.piece, outs, mix, shape_.latency - left, n);
        left -= n;
    }
    reset();
}

void StreamEngine::reset()
{
    for (std::size_t i = 0; i < shape_.slots; i++) {
        Slot &slot = slots_[i];
        int state = Pending;
        if (!slot.state.compare_exchange_strong(state, Free, std::memory_order_acq_rel) && state == Running)
            wait_for([&] { return slot.state.load(std::memory_order_acquire) != Running; });
        slot.state.store(Free, std::memory_order_release);
    }
    start();
}

// --- from any thread --------------------------------------------------------------------------

void StreamEngine::set_gain(std::size_t stem, float gain) { gains_[stem].target.store(gain, relaxed); }

StreamStats StreamEngine::stats() const
{
    StreamStats s;
    s.runs = runs_.load(relaxed);
    s.underruns = underruns_.load(relaxed);
    s.dropped = dropped_.load(relaxed);
    s.covered_frames = covered_.load(relaxed);
    s.repaired = repaired_.load(relaxed);
    s.run_seconds = run_seconds_.load(relaxed);
    s.worst_run_seconds = worst_run_.load(relaxed);
    s.load = s.run_seconds * options_.model_rate / static_cast<double>(options_.hop_frames * options_.frame_step);
    s.process_seconds = process_seconds_.load(relaxed);
    s.worst_process_seconds = worst_process_.load(relaxed);
    s.process_load = process_load_.load(relaxed);
    s.priority_refused = priority_refused_.load(relaxed);
    return s;
}

void StreamEngine::reset_stats()
{
    for (auto *count : {&runs_, &underruns_, &dropped_, &covered_, &repaired_})
        count->store(0, relaxed);
    for (auto *value : {&run_seconds_, &worst_run_, &process_seconds_, &worst_process_, &process_load_})
        value->store(0, relaxed);
}

void StreamEngine::pause(bool stop)
{
    {
        std::lock_guard<std::mutex> lock(pause_mutex_);
        paused_.store(stop);
    }
    pause_.notify_all();
}

bool StreamEngine::idle() const
{
    for (std::size_t i = 0; i < shape_.slots; i++) {
        const int state = slots_[i].state.load(std::memory_order_acquire);
        if (state == Pending || state == Running)
            return false;
    }
    return true;
}

// --- the workers ------------------------------------------------------------------------------

void StreamEngine::stand_still()
{
    if (!paused_.load())
        return;
    std::unique_lock<std::mutex> lock(pause_mutex_);
    pause_.wait(lock, [this] { return !paused_.load(); });
}

void StreamEngine::work(Worker &worker)
{
    const NoDenormals fast;
    if (!set_priority(options_.niceness, options_.priority))
        priority_refused_.store(true, relaxed);
    for (;;) {
        tasks_.wait();
        stand_still();
        if (stop_.load())
            return;
        for (std::size_t task; Slot *slot = choose(task);) {
            run_task(*slot, task, worker.workspace);
            stand_still();
            if (slot->left.fetch_sub(1, std::memory_order_acq_rel) == 1)
                finish(*slot);
            if (stop_.load())
                return;
        }
    }
}

// A network, or the two of a cascade: what the first one leaves is wanted of all frames.
void StreamEngine::run_task(Slot &slot, std::size_t task, float *workspace)
{
    const std::size_t row = options_.bins * channels, plane = shape_.rows * row;
    if (!network_.mode.cascade) {
        run_network_on(slot.window, task, layers_.data(), workspace, slot.estimates + task * plane);
        return;
    }
    run_network_on(slot.window, 0, network_.layers, workspace, slot.rest);
    std::memcpy(slot.estimates, slot.rest + shape_.first_row * row, plane * sizeof(float));
    for (std::size_t i = 0; i < options_.frames * row; i++)
        slot.rest[i] = slot.window[i] - slot.rest[i];
    run_network_on(slot.rest, 1, layers_.data(), workspace, slot.estimates + plane);
}

void StreamEngine::run_network_on(const float *window, std::size_t network, const network_layer *layers,
                                  float *workspace, float *estimate) const
{
    network_task task = {};
    task.kernels = network_.kernels;
    task.layers = layers;
    task.n_layers = static_cast<std::ptrdiff_t>(network_.n_layers);
    task.weights = network_.weights[network];
    task.workspace = workspace;
    task.input = window;
    task.output = estimate;
    task.logits = network_.softmax;
    run_network(&task, network_.reference);
}

// A task to do: the rest of a run that has begun, or else of the oldest run that waits (in hold mode, in real
// time: of the newest). Runs that nobody needs any more are taken back by `release`.
StreamEngine::Slot *StreamEngine::choose(std::size_t &task)
{
    std::lock_guard<std::mutex> lock(choice_);
    Slot *begun = nullptr;
    for (std::size_t i = 0; i < shape_.slots; i++) {
        Slot &slot = slots_[i];
        if (slot.state.load(std::memory_order_acquire) == Running && slot.next_task < tasks_per_run_ &&
            (!begun || slot.run.load(relaxed) < begun->run.load(relaxed)))
            begun = &slot;
    }
    if (begun) {
        task = begun->next_task++;
        return begun;
    }
    const bool newest = options_.hold && options_.realtime;
    for (;;) {
        Slot *chosen = nullptr;
        for (std::size_t i = 0; i < shape_.slots; i++) {
            Slot &slot = slots_[i];
            if (slot.state.load(std::memory_order_acquire) != Pending)
                continue;
            const std::int64_t run = slot.run.load(relaxed);
            if (!chosen || (newest ? run > chosen->run.load(relaxed) : run < chosen->run.load(relaxed)))
                chosen = &slot;
        }
        if (!chosen)
            return nullptr;
        int state = Pending;
        chosen->next_task = 1;
        if (chosen->state.compare_exchange_strong(state, Running, std::memory_order_acq_rel)) {
            task = 0;
            return chosen;
        }
    }
}

void StreamEngine::finish(Slot &slot)
{
    const std::size_t values = shape_.rows * options_.bins * channels;
    if (network_.softmax)
        softmax_mask(slot.estimates, values, networks_, slot.window + shape_.first_row * options_.bins * channels,
                     values);
    const double took = seconds() - slot.begun.load(relaxed);
    runs_.fetch_add(1, relaxed);
    smooth(run_seconds_, took);
    raise_to(worst_run_, took);
    slot.state.store(Done, std::memory_order_release);
    {
        std::lock_guard<std::mutex> lock(finished_mutex_);
    }
    finished_.notify_all();
}

} // namespace spleeterrt
