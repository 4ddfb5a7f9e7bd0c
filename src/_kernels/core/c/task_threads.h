// Threads that run the tasks of one step after the other, for callers that have none of their own.
#ifndef SPLEETERRT_C_TASK_THREADS_H
#define SPLEETERRT_C_TASK_THREADS_H

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace spleeterrt {

class TaskThreads {
public:
    using Work = std::function<void(std::size_t task, std::size_t thread)>;

    // The calling thread is one of them; fewer others where the system gives no more.
    explicit TaskThreads(std::size_t threads);
    ~TaskThreads();
    TaskThreads(const TaskThreads &) = delete;
    TaskThreads &operator=(const TaskThreads &) = delete;

    // Calls work(task, thread) for all tasks, thread counted from 0, the caller's; returns when all are done.
    void run(std::size_t tasks, const Work &work);

private:
    void help(std::size_t thread);
    void take_tasks(std::size_t thread);

    std::vector<std::thread> helpers_;
    std::mutex mutex_; // guards what follows, but for the counter
    std::condition_variable begin_, end_;
    const Work *work_ = nullptr;
    std::size_t tasks_ = 0, busy_ = 0;
    unsigned long step_ = 0;
    bool stop_ = false;
    std::atomic<std::size_t> next_{0};
};

} // namespace spleeterrt

#endif
