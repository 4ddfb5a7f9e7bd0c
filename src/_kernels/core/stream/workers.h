// Threads that compute runs (runs.h): of one engine, or of several.
//
// Between the thread that submits and these there are the runs' atomic words and a semaphore. Among themselves, and
// where engines come and go, they take a lock: never the thread that submits.
#ifndef SPLEETERRT_STREAM_WORKERS_H
#define SPLEETERRT_STREAM_WORKERS_H

#include "stream/counting_semaphore.h"
#include "stream/runs.h"
#include "work_sharing.h"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace spleeterrt {

class PoolMember;

class ThreadPool final : private WorkSharing {
public:
    // niceness, priority: see StreamOptions.
    ThreadPool(int niceness, int priority) : niceness_(niceness), priority_(priority) {}
    // All members have left.
    ~ThreadPool();
    ThreadPool(const ThreadPool &) = delete;
    ThreadPool &operator=(const ThreadPool &) = delete;

    // From here on the member's tasks are computed, in turn with those of others. There are at least `threads` threads
    // then, or as many as the system gives: throws std::system_error where it gives none, or std::bad_alloc.
    void enter(PoolMember &member, std::size_t threads, std::size_t workspace_floats);
    // Waits for its tasks under way.
    void leave(PoolMember &member);

    std::size_t threads() const { return n_threads_.load(std::memory_order_relaxed); }
    bool priority_refused() const { return priority_refused_.load(std::memory_order_relaxed); }
    void post(std::size_t tasks);
    void pause(bool stop);

private:
    struct Thread {
        std::thread thread;
        std::size_t number = 0;
        AlignedFloats workspace, larger; // in use; to be used from the next task on
    };

    void make_workspaces(std::size_t floats);
    void make_threads(std::size_t threads);
    void work(Thread &self);
    PoolMember *next(Thread &self, Runs::Task &task);
    void done(PoolMember &member);
    void sleep();
    void call(std::size_t threads) override;
    void stand_still();

    const int niceness_, priority_;
    Semaphore tasks_;
    std::mutex members_mutex_; // of all from here to left_
    std::vector<PoolMember *> members_;
    std::size_t turn_ = 0; // the member that is asked first
    std::size_t workspace_floats_ = 0;
    std::vector<std::unique_ptr<Thread>> all_;
    std::condition_variable left_;

    std::atomic<std::size_t> n_threads_{0}, called_{0}; // of those asleep, by `call`
    std::atomic<bool> stop_{false}, paused_{false}, priority_refused_{false};
    std::mutex pause_mutex_;
    std::condition_variable pause_;
};

// The one of this process for these settings, as long as somebody holds it.
std::shared_ptr<ThreadPool> shared_pool(int niceness, int priority);

// The runs of an engine, as members of a pool.
class PoolMember final : public Workers {
public:
    // Throws as ThreadPool::enter.
    PoolMember(std::shared_ptr<ThreadPool> pool, Runs &runs, std::size_t threads, std::size_t workspace_floats);
    ~PoolMember() override { pool_->leave(*this); }

    std::size_t threads() const override { return pool_->threads(); }
    void post(std::size_t tasks) override { pool_->post(tasks); }
    void ended() override;
    void wait(Runs &runs, std::uint64_t seen) override;
    bool priority_refused() const override { return pool_->priority_refused(); }
    void pause(bool stop) override { pool_->pause(stop); }

private:
    friend class ThreadPool;
    std::shared_ptr<ThreadPool> pool_;
    Runs &runs_;
    std::size_t under_way_ = 0; // tasks; under the pool's members_mutex_
    std::mutex ended_mutex_;
    std::condition_variable ended_;
};

} // namespace spleeterrt

#endif
