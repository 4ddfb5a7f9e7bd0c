#include "c/task_threads.h"

#include "stream/worker_threads.h"

#include <exception>

namespace spleeterrt {

TaskThreads::TaskThreads(std::size_t threads)
{
    const NoSignals quiet; // the host's handlers run in the host's threads
    helpers_.reserve(threads);
    try {
        for (std::size_t thread = 1; thread < threads; thread++)
            helpers_.emplace_back([this, thread] { help(thread); });
    } catch (const std::exception &) { // no more threads, or no memory for one
    }
}

TaskThreads::~TaskThreads()
{
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stop_ = true;
    }
    begin_.notify_all();
    for (std::thread &helper : helpers_)
        helper.join();
}

void TaskThreads::run(std::size_t tasks, const Work &work)
{
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        work_ = &work;
        tasks_ = tasks;
        next_.store(0, std::memory_order_relaxed);
        busy_ = helpers_.size();
        step_++;
    }
    begin_.notify_all();
    take_tasks(0);
    std::unique_lock<std::mutex> lock(mutex_);
    end_.wait(lock, [this] { return busy_ == 0; });
}

void TaskThreads::take_tasks(std::size_t thread)
{
    for (std::size_t task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;)
        (*work_)(task, thread);
}

void TaskThreads::help(std::size_t thread)
{
    unsigned long seen = 0;
    for (;;) {
        {
            std::unique_lock<std::mutex> lock(mutex_);
            begin_.wait(lock, [&] { return stop_ || step_ != seen; });
            if (stop_)
                return;
            seen = step_;
        }
        take_tasks(thread);
        const std::lock_guard<std::mutex> lock(mutex_);
        if (--busy_ == 0)
            end_.notify_one();
    }
}

} // namespace spleeterrt
