// Threads that run the tasks of one step after the other, for callers that have none of their own. They sleep whenever
// there is no task: a thread that waits actively for long takes the core that another program, or the last task, needs.
#ifndef SPLEETERRT_TASK_THREADS_H
#define SPLEETERRT_TASK_THREADS_H

#include "work_sharing.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace spleeterrt {

class TaskThreads final : private WorkSharing {
public:
    using Work = std::function<void(std::size_t task, std::size_t thread)>;
    using NetworkWork = std::function<void(std::size_t task, std::size_t thread, fast_team *team)>;
    struct Workspaces { // of networks: one per thread
        float *const *of = nullptr;
        std::size_t floats = 0;
    };

    // The calling thread is one of them; fewer others where the system gives no more.
    explicit TaskThreads(std::size_t threads) { reserve(threads); }
    ~TaskThreads();
    TaskThreads(const TaskThreads &) = delete;
    TaskThreads &operator=(const TaskThreads &) = delete;

    // At least so many from here on, or as many as the system gives. Not during a run.
    void reserve(std::size_t threads);
    std::size_t threads() const { return helpers_.size() + 1; }

    // Calls work(task, thread) for all tasks in at most so many of the threads, counted from 0, the caller's; returns
    // when all are done. A helper that gets no core meanwhile is not waited for, unless it has begun a task.
    void run(std::size_t tasks, const Work &work, std::size_t threads);
    void run(std::size_t tasks, const Work &work) { run(tasks, work, threads()); }
    // The same for tasks that run networks. A thread that finds no task any more takes parts of those that run.
    void run_networks(std::size_t tasks, const NetworkWork &work, std::size_t threads, const Workspaces &workspaces);

private:
    void run_all(std::size_t tasks, const NetworkWork &work, std::size_t threads, const Workspaces &workspaces);
    void help();
    void take_tasks(std::size_t thread);
    bool take_part(std::size_t thread);
    void call(std::size_t threads) override;

    std::vector<std::thread> helpers_;
    std::mutex mutex_; // guards what follows, but for the counter
    std::condition_variable begin_, end_;
    const NetworkWork *work_ = nullptr;
    Workspaces workspaces_; // none: the tasks are no networks
    std::size_t tasks_ = 0, threads_ = 0, runs_ = 0, calls_ = 0;
    std::size_t places_ = 0, joined_ = 0, busy_ = 0; // helpers that may still join the run, have joined, are at work
    bool open_ = false, stop_ = false;               // whether a run is under way
    std::atomic<std::size_t> next_{0};
};

// The same in threads that the process keeps for its callers: each call at the same time has its own, and those of
// earlier calls are used again. In a forked child new ones are made. `threads` at least 1.
void run_tasks(void (*work)(const void *job, std::ptrdiff_t task, std::ptrdiff_t thread), const void *job,
               std::ptrdiff_t tasks, std::ptrdiff_t threads) noexcept;
// workspaces: one per thread, `floats` long.
void run_network_tasks(void (*work)(const void *job, std::ptrdiff_t task, std::ptrdiff_t thread, fast_team *team),
                       const void *job, std::ptrdiff_t tasks, std::ptrdiff_t threads, float *const *workspaces,
                       std::size_t floats) noexcept;

} // namespace spleeterrt

#endif
