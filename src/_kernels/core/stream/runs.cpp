#include "stream/runs.h"

#include "check.h"
#include "clock.h"
#include "denormals.h"

#include <algorithm>

namespace spleeterrt {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto publish = std::memory_order_release;
constexpr auto both = std::memory_order_acq_rel;

} // namespace

void CallersThread::wait(Runs &runs, std::uint64_t) { runs.run_next(workspace_); }

Runs::Runs(const RunTasks &tasks, const StreamOptions &options, const StreamShape &shape, std::size_t networks,
           bool cascade)
    : tasks_(&tasks), frames_(options.frames), values_(options.bins * stream_channels), tasks_per_run_(tasks.tasks()),
      hold_(options.hold),
      seconds_between_(static_cast<double>(options.hop_frames * options.frame_step) / options.model_rate),
      magnitudes_(memory_.take(options.frames * values_)), n_slots_(shape.slots), slots_(new Slot[shape.slots])
{
    for (std::size_t i = 0; i < n_slots_; i++) {
        RunBuffers &buffers = slots_[i].buffers_;
        buffers.window = memory_.take(frames_ * values_);
        buffers.estimates = memory_.take(networks * shape.rows * values_);
        if (cascade)
            buffers.rest = memory_.take(frames_ * values_);
    }
}

// --- by the thread that submits ----------------------------------------------------------------

void Runs::start()
{
    for (std::size_t i = 0; i < n_slots_; i++)
        abandon(slots_[i]);
    std::memset(magnitudes_, 0, frames_ * values_ * sizeof(float));
    submitted_ = -1;
    signal_++;
}

float *Runs::magnitudes(std::int64_t frame)
{
    return magnitudes_ + static_cast<std::size_t>(frame) % frames_ * values_;
}

Runs::Slot *Runs::free_slot()
{
    for (std::size_t i = 0; i < n_slots_; i++)
        if (slots_[i].phase() == Free)
            return &slots_[i];
    return nullptr;
}

void Runs::submit(std::int64_t run, std::int64_t frames, bool waiting)
{
    SRT_DCHECK(workers_ && run > submitted_ && frames > 0);
    Slot *slot = free_slot();
    if (!slot && waiting) {
        wait_for([this] { return free_slot() || !any(Abandoned); });
        slot = free_slot();
    }
    if (!slot) { // all hold runs that are far too late; in hold mode the newest one counts
        dropped_.fetch_add(1, relaxed);
        Slot *oldest = hold_ ? oldest_pending() : nullptr;
        if (!oldest || !take_back(*oldest))
            return;
        slot = oldest;
    }
    submitted_ = run;
    float *window = slot->buffers_.window;
    const std::size_t oldest = static_cast<std::size_t>(frames) % frames_, rest = frames_ - oldest;
    std::memcpy(window, magnitudes_ + oldest * values_, rest * values_ * sizeof(float));
    std::memcpy(window + rest * values_, magnitudes_, oldest * values_ * sizeof(float));
    slot->buffers_.place = {frames - static_cast<std::int64_t>(frames_), signal_};
    slot->run_.store(run, relaxed);
    slot->begun_.store(seconds(), relaxed);
    slot->left_.store(tasks_per_run_, relaxed);
    const std::uint64_t serial = slot->word_.load(relaxed) / one_serial + 1;
    slot->word_.store(serial * one_serial | Pending, publish);
    workers_->post(tasks_per_run_);
}

Runs::Slot *Runs::find(std::int64_t run)
{
    for (std::size_t i = 0; i < n_slots_; i++) {
        const Phase phase = slots_[i].phase();
        if (phase != Free && phase != Abandoned && slots_[i].run() == run)
            return &slots_[i];
    }
    return nullptr;
}

bool Runs::any(Phase phase) const
{
    for (std::size_t i = 0; i < n_slots_; i++)
        if (slots_[i].phase() == phase)
            return true;
    return false;
}

Runs::Slot *Runs::oldest_pending()
{
    Slot *oldest = nullptr;
    for (std::size_t i = 0; i < n_slots_; i++)
        if (slots_[i].phase() == Pending && (!oldest || slots_[i].run() < oldest->run()))
            oldest = &slots_[i];
    return oldest;
}

// Whether it still waited.
bool Runs::take_back(Slot &slot)
{
    std::uint64_t word = slot.word_.load(acquire);
    return (word & phase_mask) == Pending && slot.word_.compare_exchange_strong(word, in_phase(word, Free), both);
}

Runs::Slot *Runs::newest_done(std::int64_t from)
{
    Slot *newest = nullptr;
    for (std::size_t i = 0; i < n_slots_; i++)
        if (slots_[i].done() && slots_[i].run() >= from && (!newest || slots_[i].run() > newest->run()))
            newest = &slots_[i];
    return newest;
}

Runs::Slot *Runs::await(std::int64_t run, bool waiting)
{
    Slot *slot = find(run);
    if (!slot)
        return nullptr;
    if (waiting)
        wait_for([slot] { return slot->done(); });
    return slot->done() ? slot : nullptr;
}

template <typename Condition> void Runs::wait_for(Condition condition)
{
    if (condition())
        return;
    const double begun = seconds();
    for (;;) {
        const std::uint64_t seen = ended();
        if (condition())
            break;
        workers_->wait(*this, seen);
    }
    waited_ += seconds() - begun;
}

void Runs::release(std::int64_t before, bool waiting)
{
    for (std::size_t i = 0; i < n_slots_; i++) {
        Slot &slot = slots_[i];
        const Phase phase = slot.phase();
        if (slot.run() >= before)
            continue;
        if (phase == Done)
            slot.word_.store(in_phase(slot.word_.load(relaxed), Free), publish);
        else if (phase == Pending && take_back(slot))
            dropped_.fetch_add(1, relaxed);
        else if (phase == Running && waiting)
            abandon(slot);
    }
}

void Runs::settle()
{
    for (std::size_t i = 0; i < n_slots_; i++)
        wait_for([this, i] {
            const Phase phase = slots_[i].phase();
            return phase != Running && phase != Abandoned;
        });
}

void Runs::abandon(Slot &slot)
{
    std::uint64_t word = slot.word_.load(acquire);
    for (;;) {
        const std::uint64_t phase = word & phase_mask;
        if (phase == Free || phase == Abandoned)
            return;
        const Phase next = phase == Running ? Abandoned : Free;
        if (!slot.word_.compare_exchange_weak(word, in_phase(word, next), both))
            continue;
        if (next == Free)
            return;
        // The tasks that nobody has claimed never will be.
        const std::size_t unclaimed = tasks_per_run_ - claimed(word);
        if (unclaimed && slot.left_.fetch_sub(unclaimed, both) == unclaimed)
            slot.word_.store(in_phase(word, Free), publish);
        return;
    }
}

// --- by those who compute ------------------------------------------------------------------------

bool Runs::claim(Task &task)
{
    const bool newest_first = newest_first_.load(relaxed);
    for (;;) {
        Slot *chosen = nullptr;
        std::uint64_t word = 0; // of the chosen one
        for (std::size_t i = 0; i < n_slots_; i++) {
            Slot &slot = slots_[i];
            const std::uint64_t seen = slot.word_.load(acquire), phase = seen & phase_mask;
            const bool begun = phase == Running && claimed(seen) < tasks_per_run_;
            if (!begun && phase != Pending)
                continue;
            const bool chosen_begun = chosen && (word & phase_mask) == Running;
            const bool earlier = chosen && slot.run() < chosen->run();
            if (!chosen || (begun != chosen_begun ? begun : begun || !newest_first ? earlier : !earlier)) {
                chosen = &slot;
                word = seen;
            }
        }
        if (!chosen)
            return false;
        task = {chosen, claimed(word)};
        if (chosen->word_.compare_exchange_strong(word, in_phase(word, Running) + one_claimed, both))
            return true;
    }
}

void Runs::finish(const Task &task)
{
    Slot &slot = *task.slot;
    SRT_DCHECK(task.index < tasks_per_run_ && slot.left_.load(relaxed) > 0);
    if (slot.left_.fetch_sub(1, both) != 1)
        return;
    std::uint64_t word = slot.word_.load(acquire);
    if ((word & phase_mask) == Running) {
        tasks_->finish(slot.buffers_);
        timing_.add(seconds() - slot.begun_.load(relaxed));
        runs_.fetch_add(1, relaxed);
        if (slot.word_.compare_exchange_strong(word, in_phase(word, Done), both))
            return tell_end();
    }
    slot.word_.store(in_phase(word, Free), publish); // abandoned
    tell_end();
}

void Runs::tell_end()
{
    ended_.fetch_add(1, publish);
    workers_->ended();
}

bool Runs::run_next(float *workspace)
{
    SRT_DCHECK(SRT_ALIGNED(workspace));
    Task task;
    if (!claim(task))
        return false;
    const NoDenormals fast;
    compute(task, workspace);
    finish(task);
    return true;
}

// --- by any --------------------------------------------------------------------------------------

bool Runs::pending() const
{
    for (std::size_t i = 0; i < n_slots_; i++) {
        const std::uint64_t word = slots_[i].word_.load(acquire), phase = word & phase_mask;
        if (phase == Pending || (phase == Running && claimed(word) < tasks_per_run_))
            return true;
    }
    return false;
}

bool Runs::idle() const
{
    for (std::size_t i = 0; i < n_slots_; i++) {
        const Phase phase = slots_[i].phase();
        if (phase != Free && phase != Done)
            return false;
    }
    return true;
}

void Runs::add_stats(StreamStats &stats) const
{
    stats.runs = runs_.load(relaxed);
    stats.dropped = dropped_.load(relaxed);
    stats.run_seconds = timing_.mean();
    stats.worst_run_seconds = timing_.worst();
    stats.load = stats.run_seconds / seconds_between_;
}

void Runs::reset_stats()
{
    runs_.store(0, relaxed);
    dropped_.store(0, relaxed);
    timing_.reset();
}

} // namespace spleeterrt
