// What the engine's threads ask of the system.
#ifndef SPLEETERRT_STREAM_THREADS_H
#define SPLEETERRT_STREAM_THREADS_H

#include <algorithm>

#if defined(_WIN32)
#include "win32.h"
#else
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

constexpr const char *thread_name = "spleeterrt"; // 15 characters at most on Linux

// Of the calling thread, for debuggers and lists of threads.
inline void name_thread()
{
#if defined(_WIN32)
    // From Windows 10, 1607, on.
    using Function = HRESULT(WINAPI *)(HANDLE, PCWSTR);
    const auto describe = find_function<Function>(GetModuleHandleW(L"kernel32"), "SetThreadDescription");
    if (describe)
        describe(GetCurrentThread(), widened(thread_name).c_str());
#elif defined(__APPLE__)
    pthread_setname_np(thread_name);
#elif defined(__linux__)
    pthread_setname_np(pthread_self(), thread_name);
#endif
}

#if defined(_WIN32)

// Windows' class for sound (MMCSS), whose threads come before all ordinary ones; that of audio callbacks, "Pro Audio",
// comes before this. Where it does not run, the highest priority that needs no rights.
inline bool raise_priority()
{
    using Join = HANDLE(WINAPI *)(LPCWSTR, LPDWORD);
    static const HMODULE library = LoadLibraryExW(L"avrt.dll", nullptr, LOAD_LIBRARY_SEARCH_SYSTEM32);
    const auto join = find_function<Join>(library, "AvSetMmThreadCharacteristicsW");
    DWORD task = 0;
    return (join && join(L"Audio", &task)) || SetThreadPriority(GetCurrentThread(), THREAD_PRIORITY_TIME_CRITICAL);
}

// Of the calling thread; whether the system allows the real-time priority that is asked for.
inline bool set_priority(int niceness, int priority)
{
    if (priority > 0)
        return raise_priority();
    if (niceness > 0) // Windows has two steps below the usual priority
        SetThreadPriority(GetCurrentThread(), niceness < 10 ? THREAD_PRIORITY_BELOW_NORMAL : THREAD_PRIORITY_LOWEST);
    return priority == 0;
}

#else

constexpr int nicest = 39; // from the one end of the scale to the other

// Of the calling thread; whether the system allows the real-time priority that is asked for.
inline bool set_priority(int niceness, int priority)
{
    bool allowed = priority == 0;
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
#if defined(__linux__)
    if (niceness) {
        const id_t self = static_cast<id_t>(syscall(SYS_gettid));
        setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + std::min(niceness, nicest));
    }
#endif
    (void)niceness;
    return allowed;
}

#endif

} // namespace spleeterrt

#endif
