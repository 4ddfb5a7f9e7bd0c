// Networks that several threads share (core/work_sharing.h): the bits of one thread, whoever computes which part.
//
//     shared_networks [test]
#include "aligned.h"
#include "dealt_team.h"
#include "expect.h"
#include "random_network.h"
#include "task_threads.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

using namespace spleeterrt;

namespace {

struct Case {
    std::string isa;
    bool low_memory;
    long long frames, bins;
    ptrdiff_t first, last; // wanted frames
    int conv, deconv;      // activations
};

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

struct Task {
    RandomNetwork network;
    LayerTable table;
    NetworkSet set;
    AlignedFloats input;
    std::size_t values;

    explicit Task(const Case &wanted, std::size_t stems = 1)
        : network(wanted.isa.c_str(), random_of(), stems, false),
          input(static_cast<std::size_t>(wanted.frames * wanted.bins * 2)),
          values(static_cast<std::size_t>((wanted.last - wanted.first) * wanted.bins * 2))
    {
        network.config.conv_activation = wanted.conv;
        network.config.deconv_activation = wanted.deconv;
        network.plan.compact = wanted.low_memory;
        table = lower(network.config, network.plan, wanted.frames, wanted.bins);
        want_frames(table.rows.data(), LAYERS, wanted.first, wanted.last);
        set = network.set(table);
        std::mt19937 random(3);
        std::normal_distribution<float> normal;
        for (std::size_t i = 0; i < input.size(); i++)
            input.data()[i] = std::fabs(normal(random));
    }

    AlignedFloats workspace() const
    {
        AlignedFloats made(set.workspace_floats);
        std::fill_n(made.data(), made.size(), NAN);
        return made;
    }
    std::vector<float> run(float *workspace, fast_team *team, std::size_t stem = 0) const
    {
        std::vector<float> output(values, NAN);
        set.run(stem, input.data(), output.data(), workspace, team);
        return output;
    }
    std::vector<float> alone(std::size_t stem = 0) const { return run(workspace().data(), nullptr, stem); }

private:
    static std::mt19937 &random_of()
    {
        static std::mt19937 random(7);
        return random;
    }
};

bool same(const std::vector<float> &a, const std::vector<float> &b)
{
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::vector<std::string> sets()
{
    std::vector<std::string> names;
    for (int i = 0; const fast_kernels *kernels = fast_kernels_at(i); i++)
        names.push_back(kernels->name);
    return names;
}

std::vector<Case> cases()
{
    std::vector<Case> all;
    for (const std::string &isa : sets())
        for (const bool low_memory : {false, true}) {
            all.push_back({isa, low_memory, 128, 192, 0, 128, ACTIVATION_LEAKY_RELU, ACTIVATION_RELU});
            all.push_back({isa, low_memory, 64, 128, 0, 64, ACTIVATION_ELU, ACTIVATION_ELU});
            all.push_back({isa, low_memory, 192, 128, 100, 131, ACTIVATION_RELU, ACTIVATION_LEAKY_RELU});
            all.push_back({isa, low_memory, 128, 256, 126, 128, ACTIVATION_ELU, ACTIVATION_RELU});
            all.push_back({isa, low_memory, 128, 128, 0, 1, ACTIVATION_RELU, ACTIVATION_ELU});
        }
    if (!sanitized)
        return all;
    std::vector<Case> some; // each kind once, in other sets: all would take a quarter of an hour
    for (std::size_t i = 0; i < all.size(); i += 7)
        some.push_back(all[i]);
    return some;
}

void units_dealt_at_random()
{
    for (const Case &wanted : cases()) {
        const Task task(wanted);
        const std::vector<float> expected = task.alone();
        EXPECT(std::none_of(expected.begin(), expected.end(), [](float x) { return std::isnan(x); }));
        for (const int threads : {1, 2, 3, 17}) {
            Dealt team(task.set.workspace_floats, threads, static_cast<unsigned>(threads));
            EXPECT(same(task.run(team.workspace, &team), expected));
            EXPECT(team.phases > LAYERS);
        }
    }
}

struct Job {
    const Task *task;
    std::size_t stems;
    std::vector<float> *outputs; // of each segment and stem
    float *const *workspaces;
};

void run_one(const void *context, std::ptrdiff_t index, std::ptrdiff_t thread, fast_team *team)
{
    const Job &job = *static_cast<const Job *>(context);
    const std::size_t i = static_cast<std::size_t>(index);
    job.outputs[i] = job.task->run(job.workspaces[thread], team, i % job.stems);
}

void threads_of_a_process()
{
    const std::vector<Case> all = cases();
    for (std::size_t i = 0; i < all.size(); i += 3) {
        const std::size_t stems = 2;
        const Task task(all[i], stems);
        const std::vector<float> expected[stems] = {task.alone(0), task.alone(1)};
        for (const std::size_t threads : {1, 2, 3, 5, 12}) {
            std::vector<AlignedFloats> workspaces;
            std::vector<float *> places;
            for (std::size_t thread = 0; thread < threads; thread++) {
                workspaces.push_back(task.workspace());
                places.push_back(workspaces.back().data());
            }
            for (const std::size_t count : {1, 3, 8}) {
                std::vector<std::vector<float>> outputs(count);
                const Job job = {&task, stems, outputs.data(), places.data()};
                run_network_tasks(run_one, &job, static_cast<std::ptrdiff_t>(count),
                                  static_cast<std::ptrdiff_t>(threads), places.data(), task.set.workspace_floats);
                for (std::size_t k = 0; k < count; k++)
                    EXPECT(same(outputs[k], expected[k % stems]));
            }
        }
    }
}

// --- phases without a network ------------------------------------------------------------------------

class Threads final : public WorkSharing {
public:
    std::atomic<int> calls{0};
    Threads()
    {
        add();
        add();
    }
    void sleeps() { asleep_.fetch_add(1); }

private:
    void call(std::size_t) override { calls++; }
};

struct Counted {
    std::vector<int> times; // no atomics: a unit is one thread's
    std::atomic<int> done{0}, helped{0};
    std::atomic<bool> hold{false}, held{false};
    const float *owner = nullptr;
};

void count_units(const void *context, fast_share *share)
{
    Counted &counted = *static_cast<Counted *>(const_cast<void *>(context));
    for (int unit; (unit = share->next(share)) >= 0;) {
        counted.times[static_cast<std::size_t>(unit)]++;
        if (share->workspace != counted.owner) {
            counted.helped++;
            while (counted.hold.load()) { // a helper that has lost its core
                counted.held = true;
                std::this_thread::yield();
            }
        } else {
            while (counted.hold.load() && !counted.held.load())
                std::this_thread::yield();
        }
        counted.done++;
    }
}

bool once(const Counted &counted)
{
    return std::all_of(counted.times.begin(), counted.times.end(), [](int times) { return times == 1; });
}

void a_helper_that_never_comes()
{
    Threads threads;
    threads.sleeps();
    float workspace[16], other[16];
    EXPECT(!threads.help(other, 16)); // no network runs
    const WorkSharing::Network network(threads, 0, workspace, 16, 2);
    EXPECT(network.team() && network.team()->threads == 2);
    for (const int units : {0, 1, 2, 100}) {
        Counted counted;
        counted.times.resize(static_cast<std::size_t>(units));
        counted.owner = workspace;
        network.team()->run(network.team(), units, count_units, &counted);
        EXPECT(once(counted) && counted.helped == 0);
    }
    EXPECT(threads.calls == 2);       // where there was something to share
    EXPECT(!threads.help(other, 16)); // no phase is open
    const WorkSharing::Network alone(threads, 1, workspace, 16, 1);
    EXPECT(!alone.team());
}

// All other units are done meanwhile, and its own is waited for.
void a_helper_that_loses_its_core()
{
    Threads threads;
    float workspace[16], other[16];
    const WorkSharing::Network network(threads, 0, workspace, 16, 2);
    Counted counted;
    counted.times.resize(64);
    counted.owner = workspace;
    counted.hold = true;
    std::thread helper([&] {
        while (!threads.help(other, 16)) {
        }
    });
    std::thread waker([&] {
        while (counted.done < 63)
            std::this_thread::yield();
        std::this_thread::sleep_for(std::chrono::milliseconds(20)); // the owner sleeps by now
        EXPECT(counted.done == 63);
        counted.hold = false;
    });
    network.team()->run(network.team(), 64, count_units, &counted);
    EXPECT(counted.done == 64 && once(counted) && counted.helped == 1);
    helper.join();
    waker.join();
}

void a_workspace_that_is_too_small()
{
    Threads threads;
    float workspace[16], other[16];
    const WorkSharing::Network network(threads, 0, workspace, 16, 2);
    std::atomic<bool> stop{false};
    std::thread helper([&] {
        while (!stop)
            EXPECT(!threads.help(other, 15));
    });
    for (int round = 0; round < 200; round++) {
        Counted counted;
        counted.times.resize(50);
        counted.owner = workspace;
        network.team()->run(network.team(), 50, count_units, &counted);
        EXPECT(once(counted) && counted.helped == 0);
    }
    stop = true;
    helper.join();
}

// Two owners and many helpers, more than a phase takes.
void many_helpers()
{
    Threads threads;
    float workspaces[2][16];
    std::atomic<bool> stop{false};
    std::vector<std::thread> helpers;
    for (int i = 0; i < 40; i++)
        helpers.emplace_back([&] {
            float mine[16];
            while (!stop)
                threads.help(mine, 16);
        });
    std::vector<std::thread> owners;
    for (std::size_t owner = 0; owner < 2; owner++)
        owners.emplace_back([&, owner] {
            const WorkSharing::Network network(threads, owner, workspaces[owner], 16, 42);
            for (int round = 0; round < 300; round++) {
                Counted counted;
                counted.times.resize(static_cast<std::size_t>(1 + round % 70));
                counted.owner = workspaces[owner];
                network.team()->run(network.team(), 1 + round % 70, count_units, &counted);
                EXPECT(once(counted));
            }
        });
    for (std::thread &owner : owners)
        owner.join();
    stop = true;
    for (std::thread &helper : helpers)
        helper.join();
}

const Test tests[] = {
    {"units_dealt_at_random", units_dealt_at_random},
    {"threads_of_a_process", threads_of_a_process},
    {"a_helper_that_never_comes", a_helper_that_never_comes},
    {"a_helper_that_loses_its_core", a_helper_that_loses_its_core},
    {"a_workspace_that_is_too_small", a_workspace_that_is_too_small},
    {"many_helpers", many_helpers},
};

} // namespace

int main(int argc, char **argv) { return run_tests(tests, argc, argv); }
