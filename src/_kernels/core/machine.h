// What this machine has for us: cores, and threads on them.
#ifndef SPLEETERRT_MACHINE_H
#define SPLEETERRT_MACHINE_H

#include <cstddef>
#include <string>

namespace spleeterrt {

constexpr std::size_t most_threads = 256;

struct ThreadCount {
    std::size_t threads; // at least 1, at most most_threads
    std::string because; // "2 cores", "the control group's CPU quota of 1.5 cores", ...
};

// How many threads are used where nobody says so: as many as OMP_NUM_THREADS says, if it says so, or else one per core
// that the process may use (its affinity) and no more than the CPU quota of its control group and of the groups above
// it (Linux; versions 1 and 2), rounded up.
//
// omp_num_threads: the variable's value, or null. For tests, root: where /proc and the mounts of control groups are
// looked up; cores: instead of those that the process may use.
ThreadCount usual_threads(const char *omp_num_threads, const std::string &root = "", std::size_t cores = 0);
ThreadCount usual_threads(); // with this process's environment

// How many of so many more threads the system gives this process now, found by starting and ending them: limits of the
// user's processes, of the control group and of the address space show in no other way. OpenMP would end the process
// where it gets fewer threads than it asks for.
std::size_t threads_to_be_had(std::size_t wanted);

} // namespace spleeterrt

#endif
