// Runs of the networks: windows of magnitudes go in, estimates come out, some time later.
//
// A run has a slot: a window, its estimates, and one atomic word that says where it is.
//
//              submit             claim                    the last task ends
//      Free ------------> Pending ------------> Running ------------------------> Done
//        ^                   |                     | abandon                        |
//        |                   |                     v                                |
//        |                   |                 Abandoned                            |
//        |   release, ...    |                     | the last task ends             |
//        +-------------------+---------------------+--------------------------------+
//
// One thread submits, looks and takes (the caller of `process`); any number of others claim tasks and compute them.
// None of this takes a lock, and nothing here knows a thread: who computes, and how to wait for it, is behind
// `Workers`.
#ifndef SPLEETERRT_STREAM_RUNS_H
#define SPLEETERRT_STREAM_RUNS_H

#include "fast/interface.h"
#include "stream/memory.h"
#include "stream/options.h"
#include "stream/statistics.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#ifndef SPLEETERRT_THREADS
#define SPLEETERRT_THREADS 1 // 0: a build without threads (WebAssembly); whoever calls `process` computes the runs
#endif

namespace spleeterrt {

class Runs;

// Where a window lies: its first frame, and in which signal.
struct WindowPlace {
    std::int64_t first_frame = 0;
    std::uint64_t signal = 0; // grows from one to the next
};

// What a run works on.
struct RunBuffers {
    WindowPlace place;
    float *window = nullptr;    // [T][F][2]
    float *rest = nullptr;      // of a cascade: what is left of the window, [T][F][2]
    float *estimates = nullptr; // [networks][rows][F][2]
};

// What a run computes: the networks (networks.h).
class RunTasks {
public:
    virtual ~RunTasks() = default;
    virtual std::size_t tasks() const = 0; // of a run, that may be computed at the same time
    // team: nullptr, or who helps the calling thread with it.
    virtual void compute(const RunBuffers &buffers, std::size_t task, float *workspace, fast_team *team) const = 0;
    virtual void finish(const RunBuffers &buffers) const = 0; // after all tasks
};

// Who computes the runs: threads (workers.h), or the caller itself.
class Workers {
public:
    virtual ~Workers() = default;
    virtual std::size_t threads() const = 0;
    // So many tasks more are to be done. Takes no lock.
    virtual void post(std::size_t tasks) = 0;
    // A run has ended; called by who has computed it.
    virtual void ended() = 0;
    // Not in real time: returns when another run has ended than the `seen` ones (Runs::ended), or sooner.
    virtual void wait(Runs &runs, std::uint64_t seen) = 0;
    virtual bool priority_refused() const { return false; }
    virtual void pause(bool) {} // for tests: no task begins or ends
};

// Whoever calls `process` computes the runs: between its calls, by Runs::run_next, and else when it would wait.
class CallersThread final : public Workers {
public:
    explicit CallersThread(std::size_t workspace_floats) : workspace_(memory_.take(workspace_floats)) {}
    std::size_t threads() const override { return 0; }
    void post(std::size_t) override {}
    void ended() override {}
    void wait(Runs &runs, std::uint64_t seen) override;

private:
    FloatBlocks memory_;
    float *workspace_;
};

class Runs {
public:
    enum Phase : unsigned { Free, Pending, Running, Done, Abandoned };
    class Slot {
    public:
        std::int64_t run() const { return run_.load(std::memory_order_relaxed); }
        Phase phase() const { return static_cast<Phase>(word_.load(std::memory_order_acquire) & phase_mask); }
        bool done() const { return phase() == Done; }
        const RunBuffers &buffers() const { return buffers_; }

    private:
        friend class Runs;
        std::atomic<std::uint64_t> word_{Free}; // serial number, tasks that are claimed, phase
        std::atomic<std::int64_t> run_{0};
        std::atomic<double> begun_{0};
        std::atomic<std::size_t> left_{0}; // tasks
        RunBuffers buffers_;
    };
    struct Task {
        Slot *slot;
        std::size_t index;
    };

    // networks: that the estimates are of. `tasks` outlives this object. Throws std::bad_alloc.
    Runs(const RunTasks &tasks, const StreamOptions &options, const StreamShape &shape, std::size_t networks,
         bool cascade);
    // Before anything is submitted; `workers` works until it is gone, which is before this object is.
    void work_with(Workers *workers) { workers_ = workers; }

    // --- by the thread that submits ---

    // Forgets all frames and runs, and does not wait for those that are computed: their slots come back when they end.
    void start();
    float *magnitudes(std::int64_t frame); // where those of a frame belong, [F][2]
    // A run on the newest T frames before `frames`. Where no slot is free it is dropped, or in hold mode takes the
    // place of the oldest one that waits. waiting: for abandoned runs that hold all slots.
    void submit(std::int64_t run, std::int64_t frames, bool waiting);
    std::int64_t submitted() const { return submitted_; } // the newest run; -1: none
    void set_submitted(std::int64_t run) { submitted_ = run; }
    // Whether the newest run that waits is computed first.
    void set_newest_first(bool newest) { newest_first_.store(newest, std::memory_order_relaxed); }
    double waited() const { return waited_; } // seconds, in all
    Slot *find(std::int64_t run);             // pending, running or done
    Slot *newest_done(std::int64_t from);
    // A run that is done; one that is not is waited for, or nullptr.
    Slot *await(std::int64_t run, bool waiting);
    // Forgets the runs before `before` that are done or have not begun; waiting, where none of them is late but only
    // unwanted, also those that are computed: `submit` waits for their slots then.
    void release(std::int64_t before, bool waiting = false);
    // Waits until none is computed.
    void settle();

    // --- by those who compute ---

    // The rest of a run that has begun, or else the oldest run that waits (hold mode, in real time: the newest).
    bool claim(Task &task);
    void compute(const Task &task, float *workspace, fast_team *team = nullptr) const
    {
        tasks_->compute(task.slot->buffers_, task.index, workspace, team);
    }
    void finish(const Task &task);
    // All three; false: there was nothing to do.
    bool run_next(float *workspace);

    // --- by any ---

    bool pending() const; // whether run_next would find something
    bool idle() const;    // whether nothing is pending or computed
    std::uint64_t ended() const { return ended_.load(std::memory_order_acquire); }
    void add_stats(StreamStats &stats) const;
    void reset_stats();

private:
    static constexpr std::uint64_t phase_mask = 0xff, one_claimed = 0x100, one_serial = 0x1000000;
    static std::size_t claimed(std::uint64_t word) { return static_cast<std::size_t>(word / one_claimed & 0xffff); }
    static std::uint64_t in_phase(std::uint64_t word, Phase phase) { return (word & ~phase_mask) | phase; }

    template <typename Condition> void wait_for(Condition condition);
    Slot *free_slot();
    bool any(Phase phase) const;
    bool take_back(Slot &slot);
    Slot *oldest_pending();
    void abandon(Slot &slot);
    void tell_end();

    const RunTasks *tasks_;
    Workers *workers_ = nullptr;
    const std::size_t frames_, values_; // T; F channels
    const std::size_t tasks_per_run_;
    const bool hold_;
    const double seconds_between_; // two runs
    FloatBlocks memory_;
    float *magnitudes_; // ring of T rows [F][2]
    const std::size_t n_slots_;
    std::unique_ptr<Slot[]> slots_;
    std::int64_t submitted_ = -1;
    std::uint64_t signal_ = 0; // counts what `start` begins
    double waited_ = 0;

    std::atomic<bool> newest_first_{false};
    std::atomic<std::uint64_t> ended_{0};
    std::atomic<std::uint64_t> runs_{0}, dropped_{0};
    Timing timing_;
};

} // namespace spleeterrt

#endif
