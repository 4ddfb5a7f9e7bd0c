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
        if (helpers_.empty())
            add(); // the caller's
        while (helpers_.size() + 1 < threads) {
            add();
            helpers_.emplace_back([this] { help(); });
        }
    } catch (const std::exception &) { // no more threads, or no memory for one
    }
}

void TaskThreads::run(std::size_t tasks, const Work &work, std::size_t threads)
{
    run_all(tasks, [&work](std::size_t task, std::size_t thread, fast_team *) { work(task, thread); },
            std::min(threads, tasks + 1), {});
}

void TaskThreads::run_networks(std::size_t tasks, const NetworkWork &work, std::size_t threads,
                               const Workspaces &workspaces)
{
    run_all(tasks, work, threads, workspaces);
}

void TaskThreads::run_all(std::size_t tasks, const NetworkWork &work, std::size_t threads, const Workspaces &workspaces)
{
    const std::size_t helpers = std::min(helpers_.size(), std::max<std::size_t>(threads, 1) - 1);
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        work_ = &work;
        workspaces_ = workspaces;
        tasks_ = tasks;
        threads_ = helpers + 1;
        next_.store(0, std::memory_order_relaxed);
        places_ = helpers;
        joined_ = 0;
        runs_++;
        open_ = true;
        asleep_.store(0, std::memory_order_relaxed);
    }
    for (std::size_t helper = 0; helper < helpers; helper++)
        begin_.notify_one();
    take_tasks(0);
    std::unique_lock<std::mutex> lock(mutex_);
    places_ = 0;
    while (busy_ > 0) {
        const std::size_t seen = calls_;
        lock.unlock();
        const bool took_part = take_part(0);
        lock.lock();
        if (took_part || busy_ == 0)
            continue;
        asleep_.fetch_add(1, std::memory_order_relaxed);
        end_.wait(lock, [&] { return busy_ == 0 || calls_ != seen; });
        asleep_.fetch_sub(1, std::memory_order_relaxed);
    }
    open_ = false;
}

void TaskThreads::take_tasks(std::size_t thread)
{
    const auto next = [this] { return next_.fetch_add(1, std::memory_order_relaxed); };
    std::size_t task = next();
    if (task >= tasks_)
        return;
    const bool networks = workspaces_.of;
    const Network network(*this, thread, networks ? workspaces_.of[thread] : nullptr, workspaces_.floats,
                          networks ? threads_ : 1);
    for (; task < tasks_; task = next())
        (*work_)(task, thread, network.team());
}

bool TaskThreads::take_part(std::size_t thread)
{
    return workspaces_.of && WorkSharing::help(workspaces_.of[thread], workspaces_.floats);
}

void TaskThreads::call(std::size_t threads)
{
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        calls_++;
    }
    end_.notify_one();
    for (std::size_t i = 0; i < threads; i++)
        begin_.notify_one();
}

void TaskThreads::help()
{
    std::size_t run = 0, thread = 0, seen = 0; // that it has joined, as which one; calls when it found nothing to do
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
        const auto wanted = [&] { return stop_ || (run == runs_ ? open_ && calls_ != seen : places_ > 0); };
        const std::size_t last = runs_;
        asleep_.fetch_add(run == last, std::memory_order_relaxed);
        begin_.wait(lock, wanted);
        asleep_.fetch_sub(run == last && last == runs_, std::memory_order_relaxed); // each run counts anew
        if (stop_)
            return;
        if (run != runs_) {
            places_--;
            run = runs_;
            thread = ++joined_;
        }
        busy_++;
        lock.unlock();
        take_tasks(thread);
        while (take_part(thread)) {
        }
        lock.lock();
        seen = calls_;
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

void run_network_tasks(void (*work)(const void *, std::ptrdiff_t, std::ptrdiff_t, fast_team *), const void *job,
                       std::ptrdiff_t tasks, std::ptrdiff_t threads, float *const *workspaces,
                       std::size_t floats) noexcept
{
    KeptThreads *helpers = nullptr;
    try {
        if (threads > 1 && tasks > 0)
            helpers = take_threads(static_cast<std::size_t>(threads));
    } catch (const std::exception &) { // no memory
    }
    if (!helpers) {
        for (std::ptrdiff_t task = 0; task < tasks; task++)
            work(job, task, 0, nullptr);
        return;
    }
    helpers->threads.run_networks(static_cast<std::size_t>(tasks),
                                  [&](std::size_t task, std::size_t thread, fast_team *team) {
                                      work(job, static_cast<std::ptrdiff_t>(task), static_cast<std::ptrdiff_t>(thread),
                                           team);
                                  },
                                  static_cast<std::size_t>(threads), {workspaces, floats});
    give_back(helpers);
}

} // namespace spleeterrt
