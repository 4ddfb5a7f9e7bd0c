// The offline engine with a small random network: no Python, no files.
//
//     offline_engine [test]
#include "expect.h"
#include "offline/separation.h"
#include "random_network.h"
#include "stream/engine.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace spleeterrt;

namespace {
thread_local std::size_t allocations = 0;
}

__attribute__((noinline)) void *operator new(std::size_t size)
{
    allocations++;
    if (void *memory = std::malloc(size ? size : 1))
        return memory;
    throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void *memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }

namespace {

constexpr std::size_t T = 64, F = 192, hop = 128;

const char *best_isa()
{
    for (const char *isa : {"avx512", "avx2", "neon"})
        if (fast_kernels_for(isa))
            return isa;
    return "generic";
}

struct Setting {
    SeparationOptions options;
    RandomNetwork network;
    LayerTable table;
    NetworkSet networks;
    ModePlan mode;

    // alike: networks. residual: the last stem is the mix minus the others.
    explicit Setting(const std::string &name, const std::vector<std::string> &stems, bool alike = false,
                     bool softmax = false, bool residual = false, std::mt19937 random = std::mt19937(5))
        : network(best_isa(), random, stems.size(), alike), table(lower(network.config, network.plan, T, F))
    {
        options.frame_length = options.fft_length = 512;
        options.frame_step = hop;
        options.frames = T;
        options.bins = F;
        options.isa = best_isa();
        networks = network.set(table);
        networks.softmax = softmax;
        ModeOptions wanted;
        wanted.mode = name;
        wanted.residual = residual;
        EXPECT(plan_mode(wanted, stems, softmax, mode).empty());
    }
};

const std::vector<std::string> two = {"vocals", "accompaniment"}, four = {"vocals", "drums", "bass", "other"};

// Of all modes, the filter last.
std::vector<Setting> all_settings()
{
    std::vector<Setting> settings;
    settings.emplace_back("ratio", four);
    settings.emplace_back("direct", four, false, false, true);
    settings.emplace_back("direct", four, false, true);
    settings.emplace_back("residual", two);
    settings.emplace_back("three", four);
    settings.emplace_back("ratio", two);
    settings.back().options.average = true;
    settings.emplace_back("ratio", two);
    settings.back().options.wiener = true;
    return settings;
}

std::vector<float> noise(std::size_t samples, unsigned seed = 1)
{
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(-0.5f, 0.5f);
    std::vector<float> in(2 * samples);
    for (std::size_t i = 0; i < samples; i++) {
        const float shared = uniform(random);
        in[2 * i] = shared + 0.2f * uniform(random);
        in[2 * i + 1] = 0.7f * shared + 0.2f * uniform(random);
    }
    return in;
}

// How an engine is driven.
struct Driver {
    std::size_t block = 1000;
    std::mt19937 *random = nullptr; // blocks up to that long, tasks in any order
    std::size_t threads = 1;
    bool memory = false; // to be looked at
};

void run_tasks(Separation &engine, const Driver &how, std::vector<AlignedFloats> &workspaces)
{
    std::vector<std::size_t> tasks(engine.tasks());
    std::iota(tasks.begin(), tasks.end(), std::size_t{0});
    if (how.random)
        std::shuffle(tasks.begin(), tasks.end(), *how.random);
    const auto work = [&](std::size_t thread) {
        for (std::size_t k = thread; k < tasks.size(); k += how.threads)
            engine.run(tasks[k], workspaces[thread].data());
    };
    const std::size_t before = allocations;
    work(0);
    EXPECT(!how.memory || allocations == before);
    std::vector<std::thread> others;
    for (std::size_t thread = 1; thread < how.threads; thread++)
        others.emplace_back(work, thread);
    for (std::thread &thread : others)
        thread.join();
    engine.complete();
}

// The stems of a signal, [samples][2] each; every sample comes once, the others stay what they were: not numbers.
std::vector<std::vector<float>> separate(Separation &engine, const Setting &setting, const std::vector<float> &in,
                                         const Driver &how = Driver(), std::size_t steps = SIZE_MAX)
{
    const std::size_t samples = in.size() / 2;
    std::vector<std::vector<float>> sound(setting.mode.stems.size(), std::vector<float>(in.size(), NAN));
    std::vector<AlignedFloats> workspaces;
    for (std::size_t thread = 0; thread < how.threads; thread++)
        workspaces.emplace_back(engine.most_workspace_floats());
    std::vector<float *> places(sound.size());
    std::size_t at = 0, next = 0; // in; out
    for (; steps > 0 && engine.wants() != Want::nothing; steps--) {
        const std::size_t before = allocations;
        switch (engine.wants()) {
        case Want::samples:
            if (at == samples) {
                engine.finish();
            } else {
                const std::size_t most = how.random ? 1 + (*how.random)() % how.block : how.block;
                const std::size_t taken = engine.push(&in[2 * at], std::min(most, samples - at));
                EXPECT(taken > 0);
                at += taken;
            }
            break;
        case Want::tasks: run_tasks(engine, how, workspaces); continue;
        case Want::outputs:
            EXPECT(engine.position() == next && engine.samples() > 0);
            EXPECT(engine.samples() <= engine.most_samples() && next + engine.samples() <= samples);
            EXPECT(std::memcmp(engine.mix(), &in[2 * next], engine.samples() * 2 * sizeof(float)) == 0);
            for (std::size_t stem = 0; stem < sound.size(); stem++)
                places[stem] = &sound[stem][2 * next];
            next += engine.samples();
            engine.place(places.data());
            break;
        case Want::again:
            engine.again();
            at = 0;
            break;
        case Want::nothing: break;
        }
        EXPECT(!how.memory || allocations == before);
    }
    EXPECT(steps == 0 || next == samples);
    return sound;
}

std::vector<std::vector<float>> separate(const Setting &setting, const std::vector<float> &in,
                                         const Driver &how = Driver())
{
    EXPECT(check_separation(setting.options, setting.mode).empty());
    Separation engine(setting.networks, setting.mode, setting.options);
    return separate(engine, setting, in, how);
}

float difference(const std::vector<float> &a, const std::vector<float> &b, float scale = 1.0f)
{
    float worst = 0;
    for (std::size_t i = 0; i < a.size(); i++) {
        const float d = std::fabs(a[i] - scale * b[i]);
        worst = d <= worst ? worst : d; // also if d is no number
    }
    return worst;
}

const std::size_t lengths[] = {0, 1, 127, 128, 129, 511, T *hop - 512, T *hop, 3 * T *hop + 17};

// --- tests ------------------------------------------------------------------------------------------

// Each of three alike networks gets a third of the mix, from the first sample to the last.
void alike_networks_share_the_mix()
{
    Setting setting("ratio", {"a", "b", "c"}, true);
    setting.options.average = true;
    for (const std::size_t length : lengths) {
        const std::vector<float> in = noise(length);
        for (const std::vector<float> &stem : separate(setting, in))
            EXPECT(difference(stem, in, 1 / 3.0f) < 1e-6f);
    }
}

void stems_sum_to_the_mix()
{
    const Setting settings[] = {Setting("residual", two), Setting("three", four),
                                Setting("direct", four, false, false, true), Setting("ratio", two, false, false, true)};
    for (const Setting &setting : settings)
        for (const std::size_t length : lengths) {
            const std::vector<float> in = noise(length);
            std::vector<float> sum(in.size(), 0.0f);
            const auto sound = separate(setting, in);
            for (const std::vector<float> &stem : sound)
                for (std::size_t i = 0; i < in.size(); i++)
                    sum[i] += stem[i];
            EXPECT(difference(sum, in) < 5e-7f);
            EXPECT(length < T * hop || difference(sound[0], sound[1]) > 0.01f);
        }
}

// Nor do segments at a time, and how much sound comes out together.
void blocks_tasks_and_threads_make_no_difference()
{
    const std::vector<float> in = noise(3 * T * hop + 1234);
    for (Setting &setting : all_settings()) {
        const auto expected = separate(setting, in);
        EXPECT(difference(expected[0], expected[1]) > 0.01f && difference(expected[0], in) > 0.01f);
        std::mt19937 random(7);
        for (int i = 0; i < 4; i++) {
            Driver how;
            how.random = &random;
            how.block = i % 2 ? 100000 : 3000;
            how.threads = 1 + static_cast<std::size_t>(i) % 3;
            setting.options.segments = 1 + random() % 4;
            setting.options.piece_frames = random() % 3 * Synthesis::chunk_frames;
            const auto found = separate(setting, in, how);
            for (std::size_t stem = 0; stem < found.size(); stem++)
                EXPECT(std::memcmp(found[stem].data(), expected[stem].data(), in.size() * sizeof(float)) == 0);
        }
    }
}

// Of the segment in which a signal ends only its frames are computed, and they are what they were in a whole one.
void a_segment_ends_with_the_signal()
{
    for (Setting &setting : all_settings()) {
        const std::vector<float> whole = noise(2 * T * hop - 512);
        for (const std::size_t missing : {1, 40, 63, 64, 100}) {
            std::vector<float> in(whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(2 * missing * hop));
            std::vector<float> padded = in;
            padded.resize(whole.size(), 0.0f);
            setting.options.segments = 1 + missing % 2;
            const auto expected = separate(setting, padded), found = separate(setting, in);
            for (std::size_t stem = 0; stem < found.size(); stem++)
                EXPECT(std::memcmp(found[stem].data(), expected[stem].data(), in.size() * sizeof(float)) == 0);
        }
    }
    Setting setting("ratio", two);
    setting.options.segments = 2;
    Separation engine(setting.networks, setting.mode, setting.options);
    const std::vector<float> in = noise((T + 10) * hop - 512);
    AlignedFloats workspace(engine.most_workspace_floats());
    engine.push(in.data(), in.size() / 2);
    engine.finish();
    for (std::size_t task = 0; task < engine.tasks(); task++)
        engine.run(task, workspace.data());
    engine.complete();
    EXPECT(engine.networks_run() && engine.tasks() == 4);
    for (std::size_t task = 0; task < 4; task++) {
        const Separation::NetworkTask at = engine.network_task(task);
        EXPECT(at.frames == (task < 2 ? T : 10));
        std::fill(at.estimates, at.estimates + T * F * 2, -1.0f);
        engine.run(task, workspace.data());
        const auto written = static_cast<std::size_t>(
            std::count_if(at.estimates, at.estimates + T * F * 2, [](float x) { return x >= 0.0f; }));
        EXPECT(written == at.frames * F * 2 && at.estimates[written - 1] >= 0.0f);
    }
}

// The real-time engine that waits, with runs of T frames, works on the same segments.
void a_stream_gives_the_same()
{
    const std::vector<float> in = noise(2 * T * hop + 999), nothing(2 * 40000, 0.0f);
    const Setting settings[] = {Setting("ratio", four), Setting("direct", four), Setting("residual", two),
                                Setting("three", four)};
    for (const Setting &setting : settings) {
        const auto expected = separate(setting, in);
        StreamOptions o;
        o.frame_length = o.fft_length = 512;
        o.frame_step = hop;
        o.frames = o.hop_frames = T;
        o.bins = F;
        o.threads = 1;
        o.realtime = 0;
        o.max_block = 1000;
        o.isa = setting.options.isa;
        StreamEngine engine(setting.networks, setting.mode, o);
        const std::size_t stems = setting.mode.stems.size();
        std::vector<std::vector<float>> sound(stems, std::vector<float>(in.size() + nothing.size()));
        std::vector<float> all = in;
        all.insert(all.end(), nothing.begin(), nothing.end());
        for (std::size_t at = 0; at < all.size() / 2; at += 500) {
            const std::size_t n = std::min<std::size_t>(500, all.size() / 2 - at);
            std::vector<StreamOutput> outs;
            for (std::vector<float> &stem : sound)
                outs.push_back({{&stem[2 * at], &stem[2 * at + 1]}, 2});
            engine.process({{&all[2 * at], &all[2 * at + 1]}, 2}, outs.data(), {{nullptr, nullptr}, 1}, n);
        }
        for (std::size_t stem = 0; stem < stems; stem++) {
            const std::vector<float> late(sound[stem].begin() + static_cast<std::ptrdiff_t>(2 * engine.latency()),
                                          sound[stem].end());
            EXPECT(difference(expected[stem], late) < 2e-6f);
        }
    }
}

void the_filters_stems_sum_to_the_mix_below_the_band()
{
    Setting setting("ratio", two);
    setting.options.wiener = true;
    std::vector<float> in = noise(2 * T * hop);
    for (std::size_t i = 0; i < in.size() / 2; i++) { // well below F
        const float x = 0.3f * std::sin(0.05f * static_cast<float>(i)) + 0.2f * std::sin(0.4f * static_cast<float>(i));
        in[2 * i] = x;
        in[2 * i + 1] = 0.5f * x + 0.1f * std::sin(0.11f * static_cast<float>(i));
    }
    const auto sound = separate(setting, in);
    std::vector<float> sum(in.size());
    for (std::size_t i = 0; i < in.size(); i++)
        sum[i] = sound[0][i] + sound[1][i];
    const auto middle = [](const std::vector<float> &x) {
        return std::vector<float>(x.begin() + 2000, x.end() - 2000);
    };
    EXPECT(difference(middle(sum), middle(in)) < 1e-3f);
    EXPECT(difference(sound[0], in) > 0.01f);
}

void a_reset_forgets_everything()
{
    const std::vector<float> in = noise(2 * T * hop + 321), other = noise(2 * T * hop, 9);
    for (Setting &setting : all_settings()) {
        setting.options.segments = 2;
        const auto expected = separate(setting, in);
        Separation engine(setting.networks, setting.mode, setting.options);
        for (const std::size_t steps : {1, 5, 20, 24, 31, 40}) {
            separate(engine, setting, other, Driver(), steps);
            engine.reset();
            const auto found = separate(engine, setting, in);
            for (std::size_t stem = 0; stem < found.size(); stem++)
                EXPECT(std::memcmp(found[stem].data(), expected[stem].data(), in.size() * sizeof(float)) == 0);
            engine.reset();
        }
    }
}

void only_the_constructor_takes_memory()
{
    const std::vector<float> in = noise(2 * T * hop + 77);
    for (Setting &setting : all_settings()) {
        setting.options.segments = 2;
        Driver how;
        how.memory = true;
        separate(setting, in, how);
    }
}

void what_cannot_be_is_said()
{
    const Setting setting("ratio", two), own("direct", two);
    const auto problem = [&](const std::function<void(SeparationOptions &)> &change, const Setting &of) {
        SeparationOptions options = of.options;
        change(options);
        return check_separation(options, of.mode);
    };
    EXPECT(problem([](SeparationOptions &o) { o.frame_step = 0; }, setting).find("frame_step") == 0);
    EXPECT(problem([](SeparationOptions &o) { o.frame_step = 513; }, setting).find("frame_step") == 0);
    EXPECT(problem([](SeparationOptions &o) { o.frames = 65; }, setting).find("T") == 0);
    EXPECT(problem([](SeparationOptions &o) { o.bins = 258; }, setting).find("F") == 0);
    EXPECT(problem([](SeparationOptions &o) { o.segments = 0; }, setting).find("segments") == 0);
    EXPECT(problem([](SeparationOptions &o) { o.piece_frames = 3; }, setting).find("piece_frames") == 0);
    EXPECT(!problem([](SeparationOptions &o) { o.wiener = true; }, own).empty());
}

const Test tests[] = {
    {"alike_networks_share_the_mix", alike_networks_share_the_mix},
    {"stems_sum_to_the_mix", stems_sum_to_the_mix},
    {"blocks_tasks_and_threads_make_no_difference", blocks_tasks_and_threads_make_no_difference},
    {"a_segment_ends_with_the_signal", a_segment_ends_with_the_signal},
    {"a_stream_gives_the_same", a_stream_gives_the_same},
    {"the_filters_stems_sum_to_the_mix_below_the_band", the_filters_stems_sum_to_the_mix_below_the_band},
    {"a_reset_forgets_everything", a_reset_forgets_everything},
    {"only_the_constructor_takes_memory", only_the_constructor_takes_memory},
    {"what_cannot_be_is_said", what_cannot_be_is_said},
};

} // namespace

int main(int argc, char **argv) { return run_tests(tests, argc, argv); }
