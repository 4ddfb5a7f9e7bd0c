#include "machine.h"

#include "stream/worker_threads.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <new>
#include <sstream>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace spleeterrt {
namespace {

// --- cores that the process may use -----------------------------------------------------------

std::size_t affinity()
{
#if defined(__linux__)
    // A set for as many processors as the kernel knows; it refuses smaller ones.
    for (int processors = CPU_SETSIZE; processors <= 1 << 16; processors *= 2) {
        const std::size_t size = CPU_ALLOC_SIZE(processors);
        std::vector<unsigned long> set(size / sizeof(unsigned long) + 1);
        auto *cores = reinterpret_cast<cpu_set_t *>(set.data());
        if (sched_getaffinity(0, size, cores) == 0)
            return static_cast<std::size_t>(std::max(1, CPU_COUNT_S(size, cores)));
        if (errno != EINVAL)
            break;
    }
#elif defined(_WIN32)
    // Of one group of at most 64 processors; zeros: the process has threads in several groups.
    DWORD_PTR ours = 0, all = 0;
    if (GetProcessAffinityMask(GetCurrentProcess(), &ours, &all) && ours) {
        std::size_t cores = 0;
        for (; ours; ours &= ours - 1)
            cores++;
        return cores;
    }
#endif
    return std::max(1u, std::thread::hardware_concurrency());
}

// --- CPU quotas of control groups ---------------------------------------------------------------

// The words between separators.
std::vector<std::string> split(const std::string &text, char separator)
{
    std::vector<std::string> words;
    std::istringstream stream(text);
    for (std::string word; std::getline(stream, word, separator);)
        words.push_back(word);
    return words;
}

bool contains(const std::string &list, const std::string &word)
{
    const std::vector<std::string> words = split(list, ',');
    return std::find(words.begin(), words.end(), word) != words.end();
}

// In mountinfo, spaces and their like are written in octal: \040.
std::string unescaped(const std::string &text)
{
    std::string plain;
    for (std::size_t i = 0; i < text.size(); i++) {
        const std::string digits = text.substr(i + 1, 3);
        if (text[i] == '\\' && digits.size() == 3 && digits.find_first_not_of("01234567") == std::string::npos) {
            plain += static_cast<char>(std::stoi(digits, nullptr, 8));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

struct Mount {
    std::string root, point; // the part of the hierarchy that is seen, and where
};

// Where the hierarchy of the CPU controller is seen: of version 2, or of version 1.
std::vector<Mount> cgroup_mounts(const std::string &root, bool version2)
{
    std::vector<Mount> mounts;
    std::ifstream file(root + "/proc/self/mountinfo");
    for (std::string line; std::getline(file, line);) {
        // ID, parent, device, root, mount point, options, optional fields, "-", type, source, options of the type
        const std::vector<std::string> words = split(line, ' ');
        const auto dash = std::find(words.begin(), words.end(), "-");
        if (words.size() < 6 || words.end() - dash < 4)
            continue;
        if (version2 ? dash[1] == "cgroup2" : dash[1] == "cgroup" && contains(dash[3], "cpu"))
            mounts.push_back({unescaped(words[3]), unescaped(words[4])});
    }
    return mounts;
}

// The group of this process in that hierarchy, "/" and more; "": it has none.
std::string own_group(const std::string &root, bool version2)
{
    std::ifstream file(root + "/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        // number:controllers:path, in version 2 0::path
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == line.npos || second == line.npos)
            continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        if (version2 ? controllers.empty() : contains(controllers, "cpu"))
            return line.substr(second + 1);
    }
    return "";
}

// Cores that a group's files allow; infinity: no limit. Version 2 has "quota period" or "max period" in one file.
double quota_of(const std::string &folder, bool version2)
{
    std::string quota, period = "100000";
    if (version2) {
        std::ifstream(folder + "/cpu.max") >> quota >> period;
    } else {
        std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
        std::ifstream(folder + "/cpu.cfs_period_us") >> period;
    }
    const double time = std::strtod(quota.c_str(), nullptr), of = std::strtod(period.c_str(), nullptr);
    return std::isdigit(static_cast<unsigned char>(quota[0])) && time > 0 && of > 0 ? time / of : INFINITY;
}

// The smallest quota of a group and the groups above it, as far as they can be seen.
double quota_above(const std::string &root, const Mount &mount, const std::string &group, bool version2)
{
    // A container may see its own group as the root of the mount although the path is the machine's, or a path that
    // leads out of what it sees: then only the mount's root is known to be above it.
    std::string below;
    const std::string top = mount.root == "/" ? "" : mount.root;
    if (group.compare(0, top.size(), top) == 0 && (group.size() == top.size() || group[top.size()] == '/'))
        below = group.substr(top.size());
    if (("/" + below + "/").find("/../") != std::string::npos)
        below.clear();
    double least = INFINITY;
    for (;;) {
        least = std::min(least, quota_of(root + mount.point + below, version2));
        if (below.empty())
            return least;
        below.erase(below.rfind('/'));
    }
}

double cpu_quota(const std::string &root)
{
    double least = INFINITY;
#if !defined(__linux__)
    if (root.empty())
        return least;
#endif
    for (const bool version2 : {false, true}) {
        const std::string group = own_group(root, version2);
        if (group.empty())
            continue;
        for (const Mount &mount : cgroup_mounts(root, version2))
            least = std::min(least, quota_above(root, mount, group, version2));
    }
    return least;
}

// --- OMP_NUM_THREADS -------------------------------------------------------------------------------

// The first number of OpenMP's list, "4" or "4,2" (of nested levels); 0: not such a list.
std::size_t first_of_list(const char *text)
{
    std::size_t first = 0;
    if (!text || text[std::strlen(text) - (*text ? 1 : 0)] == ',')
        return 0;
    for (const std::string &word : split(text, ',')) {
        const std::size_t begin = word.find_first_not_of(" \t"), end = word.find_last_not_of(" \t");
        if (begin == word.npos)
            return 0;
        const std::string digits = word.substr(begin, end + 1 - begin);
        if (digits.find_first_not_of("0123456789") != digits.npos)
            return 0;
        const unsigned long long number = std::strtoull(digits.c_str(), nullptr, 10);
        if (number < 1)
            return 0;
        if (!first)
            first = static_cast<std::size_t>(std::min<unsigned long long>(number, most_threads));
    }
    return first;
}

std::string counted(double number, const char *word)
{
    char text[64];
    std::snprintf(text, sizeof text, "%.3g %s%s", number, word, number == 1 ? "" : "s");
    return text;
}

} // namespace

ThreadCount usual_threads(const char *omp_num_threads, const std::string &root, std::size_t cores)
{
    if (const std::size_t threads = first_of_list(omp_num_threads))
        return {threads, std::string("OMP_NUM_THREADS is ") + omp_num_threads};
    if (!cores)
        cores = affinity();
    const double quota = cpu_quota(root);
    if (std::ceil(quota) < static_cast<double>(cores))
        return {std::min(static_cast<std::size_t>(std::ceil(quota)), most_threads),
                "the control group's CPU quota is " + counted(quota, "core")};
    if (cores < std::thread::hardware_concurrency())
        return {std::min(cores, most_threads), "this process may use " + counted(static_cast<double>(cores), "core")};
    if (cores > most_threads)
        return {most_threads, "no more are used"};
    return {cores, "the machine has " + counted(static_cast<double>(cores), "core")};
}

ThreadCount usual_threads() { return usual_threads(std::getenv("OMP_NUM_THREADS")); }

std::size_t threads_to_be_had(std::size_t wanted)
{
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    std::vector<std::thread> threads;
    std::vector<long> ids;
    try {
        threads.reserve(wanted);
        ids.reserve(wanted);
        const NoSignals quiet;
        while (threads.size() < wanted)
            threads.emplace_back([&] {
                std::unique_lock<std::mutex> lock(mutex);
#if defined(__linux__)
                ids.push_back(syscall(SYS_gettid));
#endif
                changed.wait(lock, [&] { return done; });
            });
    } catch (const std::system_error &) { // no more
    } catch (const std::bad_alloc &) {
    }
    {
        std::lock_guard<std::mutex> lock(mutex);
        done = true;
    }
    changed.notify_all();
    for (std::thread &thread : threads)
        thread.join();
#if defined(__linux__)
    // A thread that was joined counts until the kernel has removed it: a moment more.
    for (const long id : ids)
        for (int tries = 0; tries < 10000 && syscall(SYS_tgkill, getpid(), id, 0) == 0; tries++)
            std::this_thread::sleep_for(std::chrono::microseconds(20));
#endif
    return threads.size();
}

} // namespace spleeterrt
