// Threads for tasks (core/task_threads.h): every task once, by one thread at a time of each number; callers at the same
// time; forked children. `task_threads nofork` leaves the last out (ThreadSanitizer follows no threads into a child).
#include "task_threads.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace spleeterrt;

namespace {

void expect(bool good, const char *what)
{
    if (good)
        return;
    std::printf("failed: %s\n", what);
    std::fflush(stdout);
    std::abort();
}

struct Job {
    int *done, *by_thread; // no atomics: each is one thread's at a time
};

void count(const void *context, std::ptrdiff_t task, std::ptrdiff_t thread)
{
    const Job *job = static_cast<const Job *>(context);
    job->done[task]++;
    job->by_thread[thread]++;
}

void call(std::ptrdiff_t threads, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        std::vector<int> done(static_cast<std::size_t>(round % 37)), by_thread(static_cast<std::size_t>(threads));
        const Job job = {done.data(), by_thread.data()};
        run_tasks(count, &job, static_cast<std::ptrdiff_t>(done.size()), threads);
        int sum = 0;
        for (const int times : done)
            expect(times == 1, "every task once");
        for (const int tasks : by_thread)
            sum += tasks;
        expect(sum == round % 37, "by the threads that were asked for");
    }
}

#if !defined(_WIN32)
template <typename F> void in_child(F body)
{
    const pid_t child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a forked child");
}
#endif

void own_threads()
{
    TaskThreads threads(2);
    for (const std::size_t wanted : {1, 2, 4, 3}) {
        threads.reserve(wanted);
        std::vector<int> done(50);
        threads.run(
            done.size(),
            [&](std::size_t task, std::size_t thread) {
                expect(thread < wanted, "no more threads than wanted");
                done[task]++;
            },
            wanted);
        for (const int times : done)
            expect(times == 1, "every task once");
    }
    expect(threads.threads() == 4, "threads stay");
    threads.run(0, [](std::size_t, std::size_t) { expect(false, "no task"); });
}

} // namespace

int main(int arguments, char **argument)
{
    own_threads();
    std::vector<std::thread> callers; // more than are kept
    for (int caller = 0; caller < 12; caller++)
        callers.emplace_back([caller] { call(1 + caller % 5, 200); });
    for (std::thread &caller : callers)
        caller.join();
#if !defined(_WIN32)
    if (arguments < 2 || std::strcmp(argument[1], "nofork") != 0) {
        in_child([] {
            call(4, 50);
            in_child([] { call(3, 50); });
            call(4, 50);
        });
        call(4, 50);
    }
#else
    (void)arguments, (void)argument;
#endif
    std::printf("passed\n");
}
