// The real-time engine under a sanitizer (tests/sanitize.py): no Python, no OpenMP, a small random network.
//
//     sanitize_stream [rounds [seed]]
//
// Every round draws a mode of both kinds, sizes of blocks and rates, and drives an engine as a host does: one thread
// calls process, others turn gains, read statistics and let the workers stand still; in between reset and flush. All
// stems' networks are the same, so that their sum is the mix (but in the mode direct), which is checked to the sample
// while nothing is turned. Calls of process are checked to allocate nothing.
#include "random_network.h"
#include "stream/engine.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <random>
#include <thread>
#include <vector>

using namespace spleeterrt;

namespace {
thread_local std::size_t allocations = 0;
}

void *operator new(std::size_t size)
{
    allocations++;
    if (void *memory = std::malloc(size ? size : 1))
        return memory;
    throw std::bad_alloc();
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }

namespace {

int failures = 0;

void expect(bool good, const char *what)
{
    if (!good) {
        std::printf("FAILED: %s\n", what);
        failures++;
    }
}

struct Signal {
    std::vector<float> left, right;
    explicit Signal(std::size_t n) : left(n), right(n) {}
};

void drive(StreamEngine &engine, std::mt19937 &random, std::size_t most, bool fixed, std::size_t samples, bool check)
{
    std::uniform_real_distribution<float> noise(-0.5f, 0.5f);
    std::vector<Signal> outs(engine.stems(), Signal(most));
    std::vector<StreamOutput> places;
    for (Signal &out : outs)
        places.push_back({{out.left.data(), out.right.data()}, 1});
    Signal in(most), mix(most);
    std::vector<float> history;
    std::size_t done = 0;
    float worst = 0;
    while (done < samples) {
        const std::size_t n = fixed ? most : 1 + random() % most;
        for (std::size_t i = 0; i < n; i++) {
            in.left[i] = noise(random);
            in.right[i] = -in.left[i];
            history.push_back(in.left[i]);
        }
        const std::size_t before = allocations;
        engine.process({{in.left.data(), in.right.data()}, 1}, places.data(), {{mix.left.data(), mix.right.data()}, 1},
                       n);
        expect(allocations == before, "process allocates nothing");
        for (std::size_t i = 0; check && i < n; i++) {
            const std::size_t at = done + i;
            const float wanted = at < engine.latency() ? 0.0f : history[at - engine.latency()];
            worst = std::max(worst, std::fabs(mix.left[i] - wanted));
        }
        done += n;
    }
    if (check)
        expect(worst <= 2e-6f, "the sum of stems is the mix, latency samples later");
}

void round_of(const char *isa, unsigned seed)
{
    std::mt19937 random(seed);
    const std::size_t stems = 1 + random() % 5;
    RandomNetwork network(isa, random, stems);
    StreamOptions o;
    o.frame_length = o.fft_length = 512;
    o.frame_step = 128;
    o.average = true;
    o.frames = random() % 4 ? 64 : 128;
    o.bins = 64 * (1 + random() % 3);
    o.hold = random() % 4 == 0;
    o.hop_frames = o.hold || random() % 3 ? 1 + random() % 8 : o.frames;
    o.lookahead = o.hold ? 0 : random() % std::min<std::size_t>(4, o.frames - o.hop_frames + 1);
    o.crossfade = o.hold ? 0 : random() % std::min<std::size_t>(3, o.hop_frames + 1);
    o.synthesis = random() % 2 ? 512 : 256;
    o.budget = random() % 2 ? 0 : 1 + random() % (o.hop_frames * o.frame_step);
    o.max_block = 1 + random() % 600;
    o.block = random() % 3 ? 0 : 1u << random() % 9;
    const bool other_rate = random() % 4 == 0;
    o.sample_rate = other_rate ? 48000 : 44100;
    o.threads = 1 + random() % 3;
    o.realtime = random() % 4 ? 1 + static_cast<int>(random() % 2) : 0;
    o.shared_threads = random() % 2;
    o.pre_fader = random() % 2;
    o.hold_seconds = 0.05;
    o.isa = isa;
    const bool softmax = random() % 4 == 0;
    ModePlan plan;
    ModeOptions mode;
    mode.mode = mode_names[random() % mode_names.size()];
    mode.live = true;
    const std::vector<std::string> names = {"drums", "vocals", "c", "d", "e"};
    const std::vector<std::string> instruments(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(stems));
    if (!plan_mode(mode, instruments, softmax, plan).empty()) {
        mode.mode = "ratio"; // of any model
        plan_mode(mode, instruments, softmax, plan);
    }
    const std::string problem = check_stream(o, plan.stems.size());
    if (!problem.empty()) {
        std::printf("FAILED: %s\n", problem.c_str());
        failures++;
        return;
    }
    const LayerTable table = stream_table(network.config, network.plan, plan, o);
    NetworkSet networks = network.set(table);
    networks.softmax = softmax;

    StreamEngine engine(networks, plan, o);
    const std::size_t most = engine.largest_block();
    const bool whole = !other_rate && mode.mode != "direct"; // the stems sum to the mix
    drive(engine, random, most, engine.block_is_fixed(), 30000, whole);

    // Everything at once.
    std::atomic<bool> over{false};
    std::thread fingers([&] {
        std::mt19937 mine(seed + 1);
        while (!over) {
            if (o.realtime)
                engine.set_realtime(1 + static_cast<int>(mine() % 2));
            engine.set_gain(mine() % engine.stems(), static_cast<float>(mine() % 100) / 50.0f);
            const StreamStats stats = engine.stats();
            expect(stats.dropped <= stats.runs + stats.underruns + 1000, "statistics");
            std::this_thread::sleep_for(std::chrono::microseconds(mine() % 500));
        }
    });
    std::thread stalls([&] {
        std::mt19937 mine(seed + 2);
        while (o.realtime && !over) {
            engine.pause(true);
            std::this_thread::sleep_for(std::chrono::microseconds(mine() % 3000));
            engine.pause(false);
            std::this_thread::sleep_for(std::chrono::microseconds(mine() % 3000));
        }
    });
    for (int i = 0; i < 4; i++) {
        drive(engine, random, most, engine.block_is_fixed(), 10000, false);
        if (i % 2) {
            const std::size_t before = allocations;
            engine.reset(static_cast<std::int64_t>(random() % 100000 * (engine.block_is_fixed() ? most : 1)));
            expect(allocations == before, "reset allocates nothing");
        } else {
            Signal rest(engine.latency());
            std::vector<StreamOutput> outs(engine.stems(), {{nullptr, nullptr}, 1});
            engine.flush(outs.data(), {{rest.left.data(), rest.right.data()}, 1});
        }
    }
    over = true;
    fingers.join();
    stalls.join();
    for (std::size_t s = 0; s < engine.stems(); s++)
        engine.set_gain(s, 1.0f);
    engine.pause(false);
    engine.reset();
    drive(engine, random, most, engine.block_is_fixed(), 5000, whole);
}

} // namespace

int main(int argc, char **argv)
{
    const unsigned rounds = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 20;
    const unsigned first = argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : 1;
    const char *names[] = {"avx512", "avx2", "neon", "generic"};
    unsigned ran = 0;
    for (unsigned seed = first; seed < first + rounds; seed++)
        for (const char *isa : names)
            if (fast_kernels_for(isa)) {
                const int before = failures;
                round_of(isa, seed);
                ran++;
                if (failures > before)
                    std::printf("with %s, seed %u\n", isa, seed);
            }
    std::printf("%u rounds, %d failures\n", ran, failures);
    return failures != 0;
}
