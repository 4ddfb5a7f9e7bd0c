// Several threads on one network: a thread that is idle takes parts of a layer that another one computes.
//
// The thread that runs a network opens a phase (fast_team::run): a row of units. It computes them one after the other,
// from the front; a thread that joins takes half of what the one that has most left has not begun, and so on. When
// nobody finds a unit the phase is closed, and its owner waits for those who still compute one: not for threads that
// never got a core. So units are neighbours in most threads' hands, and a thread that is late costs nothing.
//
// The bits do not depend on any of it: a unit's result is the same whoever computes it, and when.
#ifndef SPLEETERRT_WORK_SHARING_H
#define SPLEETERRT_WORK_SHARING_H

#include "fast/interface.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace spleeterrt {

class WorkSharing;

// The phases of the networks that one thread runs, one after the other.
class SharedWork final : public fast_team {
public:
    explicit SharedWork(WorkSharing &sharing);
    SharedWork(const SharedWork &) = delete;
    SharedWork &operator=(const SharedWork &) = delete;

private:
    friend class WorkSharing;
    static constexpr unsigned most = 32; // that take part in a phase
    struct Share : fast_share {
        SharedWork *of;
        unsigned number; // 0: the owner
    };
    struct alignas(64) Units {
        std::atomic<std::uint64_t> range{0}; // first, end: not begun
    };

    static void run_phase(fast_team *team, int units, fast_work work, const void *job);
    static int any_idle(const fast_team *team);
    static int next(fast_share *share);
    bool any_left(std::uint64_t word) const;
    bool join(float *workspace, std::size_t floats);
    void leave();
    void close();
    int take_first(Units &units);
    int take_half(unsigned number);

    WorkSharing &sharing_;
    std::size_t floats_ = 0; // of the owner's workspace
    fast_work work_ = nullptr;
    const void *job_ = nullptr;
    std::atomic<std::uint64_t> word_{0}; // inside, have joined, open, waited for
    Units units_[most];
    std::mutex mutex_;
    std::condition_variable left_;
};

// The threads of a pool, as far as they help each other. The pool says how they sleep.
class WorkSharing {
public:
    static constexpr std::size_t most_threads = 256;

    WorkSharing() = default;
    WorkSharing(const WorkSharing &) = delete;
    WorkSharing &operator=(const WorkSharing &) = delete;

    // One more thread, which may run networks. By one thread at a time. Throws std::bad_alloc.
    void add();

    // While it lives, thread number `thread` (in the order of `add`) runs networks in a workspace.
    class Network {
    public:
        Network(WorkSharing &sharing, std::size_t thread, float *workspace, std::size_t floats, std::size_t threads);
        ~Network();
        Network(const Network &) = delete;
        Network &operator=(const Network &) = delete;
        fast_team *team() const { return team_; } // nullptr: nobody can help

    private:
        WorkSharing &sharing_;
        fast_team *team_ = nullptr;
    };

    // By a thread that has nothing to do: takes part in a phase, if one is open or is opened soon, with a workspace
    // of its own. False: none was for a while, or no network runs.
    bool help(float *workspace, std::size_t floats);

protected:
    ~WorkSharing() = default;
    // Threads that sleep are wanted. Takes no long time; one that sleeps on misses a phase.
    virtual void call(std::size_t threads) = 0;
    std::atomic<std::size_t> asleep_{0}; // threads that would help, as the pool counts them

private:
    friend class SharedWork;
    void opened(int units);

    std::vector<std::unique_ptr<SharedWork>> owned_;
    std::atomic<SharedWork *> teams_[most_threads] = {};
    std::atomic<std::size_t> n_teams_{0}, networks_{0}, helpers_{0}; // networks that run, threads in `help`
};

} // namespace spleeterrt

#endif
