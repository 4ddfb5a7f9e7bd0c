// What the engine's threads ask of the system.
#ifndef SPLEETERRT_STREAM_THREADS_H
#define SPLEETERRT_STREAM_THREADS_H

#include <algorithm>

#if !defined(_WIN32)
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#endif
#if defined(__linux__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace spleeterrt {

// While it lives, threads that are created get no signals.
class NoSignals {
public:
#if defined(_WIN32)
    NoSignals() {}
#else
    NoSignals()
    {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
#endif
};

constexpr int nicest = 39; // from the one end of the scale to the other

// Of the calling thread; whether the system allows the real-time priority that is asked for.
inline bool set_priority(int niceness, int priority)
{
    bool allowed = priority == 0;
#if !defined(_WIN32)
    int policy = SCHED_OTHER;
    struct sched_param scheduling = {};
    pthread_getschedparam(pthread_self(), &policy, &scheduling);
    const bool inherited = policy == SCHED_FIFO || policy == SCHED_RR;
    if (priority > 0) {
        struct sched_param wanted = {};
        wanted.sched_priority =
            std::min(std::max(priority, sched_get_priority_min(SCHED_RR)), sched_get_priority_max(SCHED_RR));
        allowed = pthread_setschedparam(pthread_self(), SCHED_RR, &wanted) == 0;
    }
    if (inherited && (!priority || !allowed)) { // of a thread that may be the audio callback's: not for the networks
        struct sched_param ordinary = {};
        ordinary.sched_priority = (sched_get_priority_min(SCHED_OTHER) + sched_get_priority_max(SCHED_OTHER)) / 2;
        pthread_setschedparam(pthread_self(), SCHED_OTHER, &ordinary);
    }
#endif
#if defined(__linux__)
    if (niceness) {
        const id_t self = static_cast<id_t>(syscall(SYS_gettid));
        setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + std::min(niceness, nicest));
    }
#endif
    (void)niceness;
    return allowed;
}

} // namespace spleeterrt

#endif
