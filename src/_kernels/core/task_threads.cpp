#include "task_threads.h"

#include "stream/worker_threads.h"

#include <algorithm>
#include <exception>

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace spleeterrt {

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

void TaskThreads::reserve(std::size_t threads)
{
    const NoSignals quiet; // the host's handlers run in the host's threads
    try {
        helpers_.reserve(threads);
        while (helpers_.size() + 1 < threads)
            helpers_.emplace_back([this] { help(); });
    } catch (const std::exception &) { // no more threads, or no memory for one
    }
}

void TaskThreads::run(std::size_t tasks, const Work &work, std::size_t threads)
{
    const std::size_t helpers = std::min({helpers_.size(), std::max<std::size_t>(threads, 1) - 1, tasks});
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        work_ = &work;
        tasks_ = tasks;
        next_.store(0, std::memory_order_relaxed);
        places_ = helpers;
        joined_ = 0;
    }
    for (std::size_t helper = 0; helper < helpers; helper++)
        begin_.notify_one();
    take_tasks(0);
    std::unique_lock<std::mutex> lock(mutex_);
    places_ = 0;
    end_.wait(lock, [this] { return busy_ == 0; });
}

void TaskThreads::take_tasks(std::size_t thread)
{
    for (std::size_t task; (task = next_.fetch_add(1, std::memory_order_relaxed)) < tasks_;)
        (*work_)(task, thread);
}

void TaskThreads::help()
{
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        begin_.wait(lock, [this] { return stop_ || places_ > 0; });
        if (stop_)
            return;
        places_--;
        busy_++;
        const std::size_t thread = ++joined_;
        lock.unlock();
        take_tasks(thread);
        lock.lock();
        if (--busy_ == 0)
            end_.notify_one();
    }
}

namespace {

long this_process()
{
#if defined(_WIN32)
    return 0;
#else
    return getpid();
#endif
}

struct KeptThreads {
    const long process = this_process();
    TaskThreads threads;

    explicit KeptThreads(std::size_t count) : threads(count) {}
};

// No lock guards them: a fork while another thread holds it would stop the child for good.
std::atomic<KeptThreads *> kept[8];

KeptThreads *take_threads(std::size_t count)
{
    for (std::atomic<KeptThreads *> &place : kept) {
        KeptThreads *threads = place.exchange(nullptr, std::memory_order_acquire);
        // After a fork these are the parent's, of which the child has no thread and maybe a locked mutex: left alone.
        if (threads && threads->process == this_process()) {
            threads->threads.reserve(count);
            return threads;
        }
    }
    return new KeptThreads(count);
}

void give_back(KeptThreads *threads)
{
    for (std::atomic<KeptThreads *> &place : kept) {
        KeptThreads *none = nullptr;
        if (place.compare_exchange_strong(none, threads, std::memory_order_release, std::memory_order_relaxed))
            return;
    }
    delete threads;
}

} // namespace

void run_tasks(void (*work)(const void *, std::ptrdiff_t, std::ptrdiff_t), const void *job, std::ptrdiff_t tasks,
               std::ptrdiff_t threads) noexcept
{
    KeptThreads *helpers = nullptr;
    try {
        if (threads > 1 && tasks > 1)
            helpers = take_threads(static_cast<std::size_t>(threads));
    } catch (const std::exception &) { // no memory
    }
    if (!helpers) {
        for (std::ptrdiff_t task = 0; task < tasks; task++)
            work(job, task, 0);
        return;
    }
    helpers->threads.run(
        static_cast<std::size_t>(tasks),
        [&](std::size_t task, std::size_t thread) {
            work(job, static_cast<std::ptrdiff_t>(task), static_cast<std::ptrdiff_t>(thread));
        },
        static_cast<std::size_t>(threads));
    give_back(helpers);
}

} // namespace spleeterrt
