#include "stream/workers.h"

#include "denormals.h"
#include "stream/worker_threads.h"

#include <algorithm>
#include <system_error>

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace spleeterrt {
namespace {

// A pool's threads do not come along with a fork.
long this_process()
{
#if defined(_WIN32)
    return 0;
#else
    return static_cast<long>(getpid());
#endif
}

} // namespace

// --- a pool ----------------------------------------------------------------------------------------

ThreadPool::~ThreadPool()
{
    stop_.store(true);
    pause(false);
    for (std::size_t i = 0; i < all_.size(); i++)
        tasks_.post();
    for (const std::unique_ptr<Thread> &thread : all_)
        thread->thread.join();
}

void ThreadPool::enter(PoolMember &member, std::size_t threads, std::size_t workspace_floats)
{
    std::lock_guard<std::mutex> lock(members_mutex_);
    make_workspaces(workspace_floats);
    make_threads(threads);
    members_.push_back(&member);
}

// For the threads that there are.
void ThreadPool::make_workspaces(std::size_t floats)
{
    if (floats <= workspace_floats_)
        return;
    std::vector<AlignedFloats> made;
    for (std::size_t i = 0; i < all_.size(); i++)
        made.push_back(touched_floats(floats));
    for (std::size_t i = 0; i < all_.size(); i++)
        all_[i]->larger = std::move(made[i]);
    workspace_floats_ = floats;
}

// As many as the system gives.
void ThreadPool::make_threads(std::size_t threads)
{
    const NoSignals quiet; // the host's handlers run in the host's threads
    while (all_.size() < threads) {
        std::unique_ptr<Thread> made(new Thread);
        made->workspace = touched_floats(workspace_floats_);
        made->number = all_.size();
        add();
        all_.reserve(threads);
        try {
            made->thread = std::thread([this, self = made.get()] { work(*self); });
        } catch (const std::system_error &) {
            if (all_.empty())
                throw;
            break;
        }
        all_.push_back(std::move(made));
        n_threads_.store(all_.size(), std::memory_order_relaxed);
    }
}

void ThreadPool::leave(PoolMember &member)
{
    pause(false);
    std::unique_lock<std::mutex> lock(members_mutex_);
    members_.erase(std::find(members_.begin(), members_.end(), &member));
    left_.wait(lock, [&] { return member.under_way_ == 0; });
}

void ThreadPool::post(std::size_t tasks)
{
    for (std::size_t i = 0; i < std::min(tasks, threads()); i++)
        tasks_.post();
}

void ThreadPool::pause(bool stop)
{
    {
        std::lock_guard<std::mutex> lock(pause_mutex_);
        paused_.store(stop);
    }
    pause_.notify_all();
}

void ThreadPool::stand_still()
{
    if (!paused_.load())
        return;
    std::unique_lock<std::mutex> lock(pause_mutex_);
    pause_.wait(lock, [this] { return !paused_.load(); });
}

std::shared_ptr<ThreadPool> shared_pool(int niceness, int priority)
{
    struct Shared {
        long process;
        int niceness, priority;
        std::weak_ptr<ThreadPool> pool;
    };
    static std::mutex mutex;
    static std::vector<Shared> &all = *new std::vector<Shared>; // streams may outlive the destructors of statics
    std::lock_guard<std::mutex> lock(mutex);
    all.erase(std::remove_if(all.begin(), all.end(), [](const Shared &one) { return one.pool.expired(); }), all.end());
    for (const Shared &one : all)
        if (one.process == this_process() && one.niceness == niceness && one.priority == priority)
            if (std::shared_ptr<ThreadPool> pool = one.pool.lock())
                return pool;
    auto made = std::make_shared<ThreadPool>(niceness, priority);
    all.push_back({this_process(), niceness, priority, made});
    return made;
}

// --- its threads -------------------------------------------------------------------------------------

void ThreadPool::work(Thread &self)
{
    const NoDenormals fast;
    name_thread();
    if (!set_priority(niceness_, priority_))
        priority_refused_.store(true, std::memory_order_relaxed);
    for (;;) {
        sleep();
        stand_still();
        if (stop_.load())
            return;
        do {
            Runs::Task task;
            while (PoolMember *member = next(self, task)) {
                {
                    const Network network(*this, self.number, self.workspace.data(), self.workspace.size(), threads());
                    member->runs_.compute(task, self.workspace.data(), network.team());
                }
                stand_still();
                member->runs_.finish(task);
                done(*member);
            }
        } while (help(self.workspace.data(), self.workspace.size()));
    }
}

void ThreadPool::sleep()
{
    asleep_.fetch_add(1, std::memory_order_relaxed);
    tasks_.wait();
    asleep_.fetch_sub(1, std::memory_order_relaxed);
    std::size_t called = called_.load(std::memory_order_relaxed);
    while (called && !called_.compare_exchange_weak(called, called - 1, std::memory_order_relaxed)) {
    }
}

// One that was called, and has no core yet, is not called again.
void ThreadPool::call(std::size_t threads)
{
    std::size_t called = called_.load(std::memory_order_relaxed), wanted;
    do {
        const std::size_t asleep = asleep_.load(std::memory_order_relaxed);
        wanted = std::min(threads, asleep - std::min(asleep, called));
    } while (wanted && !called_.compare_exchange_weak(called, called + wanted, std::memory_order_relaxed));
    for (std::size_t i = 0; i < wanted; i++)
        tasks_.post();
}

// A task to do: of each member in turn.
PoolMember *ThreadPool::next(Thread &self, Runs::Task &task)
{
    std::lock_guard<std::mutex> lock(members_mutex_);
    if (self.larger.size() > self.workspace.size())
        self.workspace = std::move(self.larger);
    for (std::size_t i = 0; i < members_.size(); i++) {
        const std::size_t at = (turn_ + i) % members_.size();
        if (members_[at]->runs_.claim(task)) {
            turn_ = at + 1;
            members_[at]->under_way_++;
            return members_[at];
        }
    }
    return nullptr;
}

void ThreadPool::done(PoolMember &member)
{
    std::lock_guard<std::mutex> lock(members_mutex_);
    if (--member.under_way_ == 0)
        left_.notify_all();
}

// --- a member ----------------------------------------------------------------------------------------

PoolMember::PoolMember(std::shared_ptr<ThreadPool> pool, Runs &runs, std::size_t threads, std::size_t workspace_floats)
    : pool_(std::move(pool)), runs_(runs)
{
    pool_->enter(*this, threads, workspace_floats);
}

void PoolMember::ended()
{
    {
        std::lock_guard<std::mutex> lock(ended_mutex_);
    }
    ended_.notify_all();
}

void PoolMember::wait(Runs &runs, std::uint64_t seen)
{
    std::unique_lock<std::mutex> lock(ended_mutex_);
    ended_.wait(lock, [&] { return runs.ended() != seen; });
}

} // namespace spleeterrt
