// The parts of the real-time engine, each alone, and the engine with a small random network.
//
//     stream_parts [test]
#include "expect.h"
#include "random_network.h"
#include "stream/engine.h"
#include "stream/lead.h"
#if SPLEETERRT_THREADS
#include "stream/worker_threads.h"
#include "stream/workers.h"

#include <thread>
#endif

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <vector>

using namespace spleeterrt;

namespace {

// --- the lead of a caller -------------------------------------------------------------------------

constexpr double step = 1024 / 44100.0;

// Who plays is never ahead, however its callbacks jitter; nor after it has rendered for a while.
void lead_of_a_player()
{
    for (const double block : {64 / 44100.0, 512 / 44100.0, 4096 / 44100.0}) {
        std::mt19937 random(1);
        std::uniform_real_distribution<double> late(0, 0.012);
        Lead lead(block, step);
        double clock = 0;
        for (int i = 0; i < 20000; i++) {
            clock = std::max(clock, i * block * 0.999 + late(random)); // the sound card's clock is faster than this one
            lead.came(clock, block);
            EXPECT(!lead.ahead());
        }
        for (int i = 0; i < 2000; i++)
            lead.came(20000 * block + i * 1e-5, block);
        EXPECT(lead.ahead());
        const double from = 20000 * block + 0.02;
        for (int i = 0; i * block < 3; i++) {
            lead.came(from + i * block, block);
            EXPECT(!lead.ahead() || i * block < 0.6 + 20 * block);
        }
    }
}

// Who plays and is held up, time and again, is not ahead while it hurries to be in time again.
void lead_of_a_player_that_is_held_up()
{
    for (const double block : {64 / 44100.0, 512 / 44100.0, 4096 / 44100.0}) {
        Lead lead(block, step);
        double clock = 0, sound = 0;
        for (const double held_up : {0.0, 0.05, 0.4, 2.5}) {
            clock += held_up;
            for (int i = 0; i < 3000; i++, sound += block) {
                clock =
                    std::max(clock + block / 50, sound); // fifty times as fast as it would play, until it is in time
                lead.came(clock, block);
                EXPECT(!lead.ahead());
            }
        }
        for (int i = 0; i * block < 3 * step + 4 * block; i++) // after that it renders
            lead.came(clock + i * 1e-6, block);
        EXPECT(lead.ahead());
    }
}

// Who renders is ahead before the first masks are due, and stays so.
void lead_of_a_renderer()
{
    for (const double block : {64 / 44100.0, 512 / 44100.0, 4096 / 44100.0})
        for (const double speed : {3.0, 20.0, 1000.0}) {
            Lead lead(block, step);
            for (int i = 0; i < 5000; i++) {
                lead.came(100 + i * block / speed, block);
                const double sound = (i + 1) * block;
                EXPECT(lead.ahead() || sound < 2 * step + block);
            }
            lead.reset();
            EXPECT(!lead.ahead());
        }
}

// Where no largest block is promised: who plays in larger ones than usual is never ahead, who renders is from the
// second block on.
void lead_where_blocks_are_not_promised()
{
    const double usual = 1024 / 44100.0, larger = 4096 / 44100.0;
    Lead player(usual, step, 1), renderer(usual, step, 1), promised(usual, step);
    for (int i = 0; i < 3000; i++) {
        const double block = i % 3 ? larger : usual;
        player.came(i * larger, block);
        EXPECT(!player.ahead());
        renderer.came(i * 1e-4, block);
        EXPECT(renderer.ahead() == (i > 0));
        promised.came(i * larger, larger); // who sends more than it has promised is taken for one that renders
        EXPECT(promised.ahead());
    }
}

// --- runs -----------------------------------------------------------------------------------------

// Two tasks a run; the estimates are the window plus the task's number.
struct Copies final : RunTasks {
    std::size_t values = 0;
    mutable std::vector<const void *> *log = nullptr; // whose runs have ended, in order
    std::size_t tasks() const override { return 2; }
    void compute(const RunBuffers &buffers, std::size_t task, float *, fast_team *) const override
    {
        for (std::size_t i = 0; i < values; i++)
            buffers.estimates[task * values + i] = buffers.window[i] + static_cast<float>(task);
    }
    void finish(const RunBuffers &) const override
    {
        if (log)
            log->push_back(this);
    }
};

StreamOptions small_options()
{
    StreamOptions o;
    o.frame_length = o.fft_length = 512;
    o.frame_step = 128;
    o.frames = 64;
    o.bins = 64;
    o.hop_frames = 2;
    o.max_block = 300;
    o.synthesis = 512;
    o.budget = 256;
    return o;
}

struct RunsAlone {
    StreamOptions options = small_options();
    StreamShape shape = stream_shape(options);
    Copies tasks;
    CallersThread worker{1};
    Runs runs;
    explicit RunsAlone() : runs(tasks, options, shape, 2, false)
    {
        tasks.values = shape.rows * options.bins * 2;
        runs.work_with(&worker);
        runs.start();
    }
};

void runs_in_order()
{
    RunsAlone alone;
    Runs &runs = alone.runs;
    EXPECT(runs.idle() && !runs.pending());
    runs.magnitudes(1)[0] = 5.0f;
    runs.submit(0, 2, false);
    runs.submit(1, 4, false);
    EXPECT(runs.submitted() == 1 && runs.pending() && !runs.idle());
    Runs::Task first, second, third;
    EXPECT(runs.claim(first) && runs.claim(second) && runs.claim(third));
    EXPECT(first.slot->run() == 0 && second.slot == first.slot && third.slot->run() == 1); // the oldest, all its tasks
    for (const Runs::Task &task : {first, second}) {
        EXPECT(!runs.await(0, false));
        runs.compute(task, nullptr);
        runs.finish(task);
    }
    const Runs::Slot *done = runs.await(0, false);
    EXPECT(done && done->done() && done == runs.newest_done(0) && !runs.newest_done(1));
    // The window ends with the newest frame.
    const std::size_t row = alone.options.bins * 2;
    EXPECT(done->buffers().window[(alone.options.frames - 1) * row] == 5.0f);
    runs.release(1);
    EXPECT(!runs.find(0));
    runs.compute(third, nullptr);
    runs.finish(third);
    EXPECT(runs.await(1, true)); // the caller's thread computes the rest
    runs.set_newest_first(true);
    runs.submit(2, 6, false);
    runs.submit(3, 8, false);
    EXPECT(runs.claim(first) && first.slot->run() == 3);
}

// Runs that are computed when all is forgotten are not seen again, and their slots come back.
void runs_are_abandoned()
{
    RunsAlone alone;
    Runs &runs = alone.runs;
    StreamStats stats;
    for (int claimed = 1; claimed <= 2; claimed++) {
        runs.submit(7, 2, false);
        Runs::Task tasks[2];
        for (int i = 0; i < claimed; i++)
            EXPECT(runs.claim(tasks[i]));
        runs.start(); // does not wait
        EXPECT(!runs.find(7) && !runs.pending() && !runs.idle());
        runs.submit(7, 2, false); // the new signal's
        const Runs::Slot *fresh = runs.find(7);
        EXPECT(fresh && fresh != tasks[0].slot && fresh->phase() == Runs::Pending);
        for (int i = 0; i < claimed; i++) {
            runs.compute(tasks[i], nullptr);
            runs.finish(tasks[i]);
        }
        EXPECT(tasks[0].slot->phase() == Runs::Free && fresh == runs.find(7) && !fresh->done());
        runs.add_stats(stats);
        EXPECT(stats.runs == static_cast<std::uint64_t>(claimed - 1)); // the fresh ones alone
        EXPECT(runs.await(7, true) == fresh);
        runs.start();
        EXPECT(runs.idle());
    }
    // More than there are slots: the oldest stay.
    for (std::size_t i = 0; i <= alone.shape.slots; i++)
        runs.submit(static_cast<std::int64_t>(i), 2, false);
    EXPECT(runs.find(0) && !runs.find(static_cast<std::int64_t>(alone.shape.slots)));
    runs.add_stats(stats);
    EXPECT(stats.dropped == 1);
}

// --- masks ----------------------------------------------------------------------------------------

void masks_are_held_then_covered()
{
    RunsAlone alone;
    StreamOptions options = alone.options;
    options.hold_seconds = 0.02; // seven frames
    options.cover = 1;
    ModePlan mode;
    mode.stems = {"a", "b"};
    mode.networks = {0, 1};
    mode.made = {0, 1};
    Masks masks(mode, options, alone.shape, alone.runs);
    masks.start(-1, -1); // no frame is silent
    masks.begin_call(false);
    EXPECT(masks.due_run(0) == 0 && masks.due_run(1) == 0 && masks.due_run(2) == 1);
    FrameMasks found = masks.choose(0);
    EXPECT(found.masks[0] == 0.5f && found.masks[128] == 0.5f); // silence: equal shares
    for (std::int64_t frame = 1; frame < 6; frame++)
        EXPECT(masks.choose(frame).masks[0] == 0.5f); // held
    for (std::int64_t frame = 6; frame < 20; frame++)
        found = masks.choose(frame);
    EXPECT(found.masks[0] == 0.0f && found.masks[128] == 1.0f && found.extensions[2] == 1.0f);
    StreamStats stats;
    masks.add_stats(stats);
    EXPECT(stats.covered_frames == 20 && stats.underruns == 10);
    // Estimates 0 and 1: the second stem's mask is 1. Waiting, so this thread computes it.
    alone.runs.submit(10, 22, false);
    masks.begin_call(true);
    found = masks.choose(20);
    EXPECT(std::fabs(found.masks[0]) < 1e-6f && std::fabs(found.masks[128] - 1.0f) < 1e-6f);
    masks.add_stats(stats);
    EXPECT(stats.covered_frames == 20);
}

// Frames before the signal want no masks, so that nobody waits for the first run. Where it takes long, its slot is
// waited for: no later run is dropped.
void unwanted_runs_give_their_slots_back()
{
    RunsAlone alone;
    Runs &runs = alone.runs;
    ModePlan mode;
    mode.stems = {"a", "b"};
    mode.networks = {0, 1};
    mode.made = {0, 1};
    Masks masks(mode, alone.options, alone.shape, runs);
    masks.start(1, -1); // frames 0 and 1, all of run 0, are silent
    masks.begin_call(true);
    runs.submit(0, 2, true);
    Runs::Task slow[2];
    EXPECT(runs.claim(slow[0]) && runs.claim(slow[1])); // by other threads
    masks.choose(0);
    masks.choose(1);
    runs.submit(1, 4, true);
    masks.choose(2);
    EXPECT(slow[0].slot->phase() == Runs::Abandoned);
    for (const Runs::Task &task : slow)
        runs.finish(task);
    EXPECT(slow[0].slot->phase() == Runs::Free);
    StreamStats stats;
    masks.add_stats(stats);
    runs.add_stats(stats);
    EXPECT(stats.covered_frames == 0 && stats.dropped == 0);
    // In real time such a run may be late, and what it finds is better than nothing.
    masks.begin_call(false);
    runs.submit(2, 6, false);
    EXPECT(runs.claim(slow[0]) && runs.claim(slow[1]));
    masks.choose(4);
    runs.submit(3, 8, false);
    masks.choose(6);
    EXPECT(slow[0].slot->phase() == Runs::Running);
}

// --- the signal -----------------------------------------------------------------------------------

struct Shares final : Frames {
    std::vector<float> row, shares, above;
    std::int64_t next = 0;
    Shares(std::size_t stems, std::size_t bins, std::int64_t first)
        : row(bins * 2), shares(stems * bins * 2, 1.0f / static_cast<float>(stems)),
          above(stems * 2, 1.0f / static_cast<float>(stems)), next(first)
    {
    }
    float *magnitudes(std::int64_t) override { return row.data(); }
    void analysed(std::int64_t frame) override { EXPECT(frame == next++); }
    FrameMasks masks(std::int64_t) override { return {shares.data(), above.data()}; }
};

std::vector<float> noise(std::size_t samples, unsigned seed = 1)
{
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(-0.5f, 0.5f);
    std::vector<float> sound(2 * samples);
    for (float &x : sound)
        x = uniform(random);
    return sound;
}

// Equal masks: each stem is its share of the input, `latency` samples later, for any blocks.
void signal_comes_back()
{
    for (const unsigned rate : {44100u, 48000u, 96000u})
        for (const std::ptrdiff_t residual : {-1, 0, 2})
            for (const std::int64_t position : {0, 1000, -77}) {
                StreamOptions o = small_options();
                o.sample_rate = rate;
                o.average = true;
                const StreamShape shape = stream_shape(o);
                Shares shares(3, o.bins, 0);
                Signal signal(o, shape, 3, residual, shares);
                std::mt19937 random(3);
                const std::vector<float> in = noise(20000);
                std::vector<float> sums, stem;
                shares.next = 0;
                if (position) { // frames are counted on from there
                    const std::int64_t run = 2 * 128, at = ((position % run) + run) % run;
                    shares.next = rate == 44100 ? at / 128 : -1;
                }
                const std::int64_t first = shares.next;
                if (first < 0)
                    continue;
                signal.start(position);
                EXPECT(signal.first_frame() == first);
                for (std::size_t at = 0; at < 20000;) {
                    const std::size_t n = std::min<std::size_t>(1 + random() % shape.piece, 20000 - at);
                    signal.take({{&in[2 * at], &in[2 * at + 1]}, 2}, n);
                    for (std::size_t out = 0; out < n;) {
                        const float *stems[3];
                        const std::size_t got = signal.next(n - out, stems);
                        for (std::size_t i = 0; i < got; i++) {
                            sums.push_back(stems[0][2 * i] + stems[1][2 * i] + stems[2][2 * i]);
                            stem.push_back(stems[1][2 * i]);
                        }
                        out += got;
                    }
                    at += n;
                }
                EXPECT(sums.size() == 20000);
                float worst = 0;
                for (std::size_t i = 0; i < sums.size(); i++) {
                    const float wanted = i < shape.latency ? 0.0f : in[2 * (i - shape.latency)];
                    worst = std::max(worst, std::fabs(sums[i] - wanted));
                    if (rate == 44100)
                        EXPECT(std::fabs(stem[i] - wanted / 3) < 1e-6f);
                }
                if (rate == 44100 || residual >= 0)
                    EXPECT(worst < 1e-6f);
                else
                    EXPECT(worst > 0.05f); // nothing above the model's band comes back
            }
}

// --- the engine -----------------------------------------------------------------------------------

const char *best_isa()
{
    for (const char *isa : {"avx512", "avx2", "neon"})
        if (fast_kernels_for(isa))
            return isa;
    return "generic";
}

struct Setting {
    StreamOptions options = small_options();
    RandomNetwork network;
    std::deque<LayerTable> tables;
    ModePlan mode;

    explicit Setting(std::size_t stems = 2, std::mt19937 random = std::mt19937(5)) : network(best_isa(), random, stems)
    {
        options.isa = best_isa();
        options.realtime = 0;
        options.threads = 1;
        options.synthesis = options.budget = 0;
        ModeOptions wanted; // masks of one network's own: they follow the music
        wanted.mode = "direct";
        wanted.live = true;
        std::vector<std::string> names;
        for (std::size_t s = 0; s < stems; s++)
            names.push_back(std::string(1, static_cast<char>('a' + s)));
        plan_mode(wanted, names, false, mode);
    }
    // As long as this object lives.
    NetworkSet networks(const StreamOptions &of)
    {
        tables.push_back(stream_table(network.config, network.plan, mode, of));
        return network.set(tables.back());
    }
};

// Left channels of all stems one after the other in each row [stems + 1], the mix last.
using Rows = std::vector<std::vector<float>>;

Rows drive(
    StreamEngine &engine, const std::vector<float> &in, std::size_t from = 0, std::size_t block = 300,
    const std::function<void()> &between = [] {})
{
    const std::size_t stems = engine.stems(), samples = in.size() / 2;
    Rows rows(stems + 1, std::vector<float>(2 * samples));
    for (std::size_t at = from; at < samples;) {
        const std::size_t n = std::min(block, samples - at);
        std::vector<StreamOutput> outs;
        for (std::vector<float> &row : rows)
            outs.push_back({{&row[2 * at], &row[2 * at + 1]}, 2});
        engine.process({{&in[2 * at], &in[2 * at + 1]}, 2}, outs.data(), outs[stems], n);
        between();
        at += n;
    }
    return rows;
}

std::size_t last_difference(const Rows &one, const Rows &other)
{
    std::size_t last = 0;
    for (std::size_t s = 0; s < one.size(); s++)
        for (std::size_t i = 0; i < one[s].size(); i++)
            if (std::memcmp(&one[s][i], &other[s][i], sizeof(float)) != 0)
                last = std::max(last, i / 2 + 1);
    return last;
}

void callers_thread_gives_the_same()
{
    Setting setting;
    const std::vector<float> in = noise(12000);
    StreamOptions mine = setting.options;
    mine.caller_runs = true;
    StreamEngine own(setting.networks(mine), setting.mode, mine);
    EXPECT(own.threads() == 0);
    const Rows waiting = drive(own, in);
    // In real time, driven between the calls: nothing is late.
    mine.realtime = 1;
    StreamEngine driven(setting.networks(mine), setting.mode, mine);
    AlignedFloats workspace(driven.workspace_floats());
    const Rows between = drive(driven, in, 0, 300, [&] {
        while (driven.pending())
            EXPECT(driven.run_next(workspace.data()));
        EXPECT(!driven.run_next(workspace.data()));
    });
    EXPECT(driven.stats().covered_frames == 0 && driven.stats().runs > 40);
    EXPECT(last_difference(waiting, between) == 0);
#if SPLEETERRT_THREADS
    StreamEngine threads(setting.networks(setting.options), setting.mode, setting.options);
    EXPECT(threads.threads() == 1 && last_difference(drive(threads, in), waiting) == 0);
#endif
}

// Engines that were created later, or elsewhere, give the same stems, `settling` samples on.
void later_engines_give_the_same()
{
    struct Case {
        std::size_t hop, lookahead, crossfade;
        bool hold;
        unsigned rate;
        std::size_t synthesis;
        bool residual;
        std::size_t frames = 64;
    };
    const Case cases[] = {{2, 0, 0, false, 44100, 0, false},        {5, 3, 2, false, 44100, 256, false},
                          {64, 0, 0, false, 44100, 0, true},        {1, 0, 0, false, 48000, 256, false},
                          {3, 0, 0, true, 44100, 0, false},         {4, 0, 0, false, 96000, 0, true},
                          {16, 0, 3, false, 22050, 0, false},       {2, 0, 0, false, 44100, 0, false, 128},
                          {5, 3, 2, false, 44100, 256, false, 128}, {1, 0, 0, true, 44100, 0, false, 192}};
    for (const Case &one : cases) {
        Setting setting;
        StreamOptions &o = setting.options;
        o.frames = one.frames;
        o.caller_runs = true;
        o.hop_frames = one.hop;
        o.lookahead = one.lookahead;
        o.crossfade = one.crossfade;
        o.hold = one.hold;
        o.sample_rate = one.rate;
        o.synthesis = one.synthesis;
        o.residual = one.residual;
        EXPECT(setting.networks(o).rolling > 0 || one.frames == 64);
        StreamEngine first(setting.networks(o), setting.mode, o);
        const std::size_t settling = first.settling();
        const std::vector<float> in = noise(settling + 12000);
        const Rows expected = drive(first, in);
        for (const std::size_t from : {std::size_t(1), std::size_t(4321), std::size_t(9999)}) {
            StreamEngine later(setting.networks(o), setting.mode, o);
            later.reset(static_cast<std::int64_t>(from));
            const std::size_t last = last_difference(drive(later, in, from, 211), expected);
            EXPECT(last <= from + settling);
            EXPECT(last > from + first.latency()); // so that this can fail
            EXPECT(later.stats().covered_frames == 0);
        }
        StreamEngine elsewhere(setting.networks(o), setting.mode, o); // another phase: another take
        elsewhere.reset(4321 + 70);
        EXPECT(last_difference(drive(elsewhere, in, 4321), expected) == in.size() / 2);
        // Negative positions, and resets in the middle.
        first.reset(-300);
        Rows one_take = drive(first, in);
        elsewhere.reset(-300);
        EXPECT(last_difference(drive(elsewhere, in), one_take) == 0);
    }
}

void the_rest_is_exact()
{
    for (const unsigned rate : {44100u, 48000u, 96000u, 22050u}) {
        Setting setting(3);
        setting.options.caller_runs = setting.options.residual = true;
        setting.options.sample_rate = rate;
        StreamEngine engine(setting.networks(setting.options), setting.mode, setting.options);
        const std::vector<float> in = noise(engine.latency() + 8000);
        const Rows rows = drive(engine, in);
        float worst = 0;
        for (std::size_t i = 0; i < in.size(); i++) {
            const float wanted = i / 2 < engine.latency() ? 0.0f : in[i - 2 * engine.latency()];
            worst = std::max(worst, std::fabs(rows[3][i] - wanted));
        }
        EXPECT(worst < 1e-6f);
    }
}

void stems_before_their_gains()
{
    Setting setting;
    setting.options.caller_runs = setting.options.pre_fader = true;
    StreamEngine engine(setting.networks(setting.options), setting.mode, setting.options),
        plain(setting.networks(setting.options), setting.mode, setting.options);
    engine.set_gain(0, 0.25f);
    engine.set_gain(1, 0.0f);
    engine.reset();
    const std::vector<float> in = noise(8000);
    const Rows rows = drive(engine, in), wanted = drive(plain, in);
    EXPECT(rows[0] == wanted[0] && rows[1] == wanted[1]);
    bool alike = true;
    for (std::size_t i = 0; i < in.size(); i++)
        alike = alike && rows[2][i] == 0.25f * rows[0][i];
    EXPECT(alike && rows[2] != wanted[2]);
}

#if SPLEETERRT_THREADS

// Told nothing, by a caller that renders: nothing is concealed, and the sound is that of an engine that waits.
void rendering_is_waited_for()
{
    for (const std::size_t hop : {std::size_t(1), std::size_t(2), std::size_t(64)}) {
        Setting setting;
        StreamOptions &o = setting.options;
        o.model_rate = o.sample_rate = 2000; // steps last longer than this machine's hiccups
        o.frame_length = o.fft_length = 4096;
        o.frame_step = 1024;
        o.hop_frames = hop;
        o.synthesis = 2048;
        StreamEngine waits(setting.networks(o), setting.mode, o);
        const std::vector<float> in = noise(100000);
        const Rows expected = drive(waits, in);
        o.realtime = 2;
        StreamEngine untold(setting.networks(o), setting.mode, o);
        EXPECT(last_difference(drive(untold, in), expected) == 0);
        const StreamStats stats = untold.stats();
        EXPECT(stats.underruns == 0 && stats.covered_frames == 0);
    }
}

// A caller that plays is never waited for, though no network ever answers.
void playing_is_not_waited_for()
{
    Setting setting;
    setting.options.realtime = 2;
    StreamEngine engine(setting.networks(setting.options), setting.mode, setting.options);
    engine.pause(true);
    drive(engine, noise(12000), 0, 300,
          [] { std::this_thread::sleep_for(std::chrono::microseconds(300 * 1000000 / 44100)); });
    const StreamStats stats = engine.stats();
    EXPECT(stats.runs == 0 && stats.covered_frames > 50);
    engine.pause(false);
}

// Told to wait and not to, while it runs.
void waiting_can_be_changed()
{
    Setting setting;
    setting.options.realtime = 1;
    StreamEngine engine(setting.networks(setting.options), setting.mode, setting.options);
    engine.pause(true);
    drive(engine, noise(6000)); // returns, though no network ever answers
    const std::uint64_t covered = engine.stats().covered_frames;
    EXPECT(covered > 10);
    engine.pause(false);
    engine.set_realtime(0);
    engine.reset();
    drive(engine, noise(6000));
    EXPECT(engine.stats().covered_frames == covered);
    engine.set_realtime(1);
    engine.pause(true);
    drive(engine, noise(6000));
    EXPECT(engine.stats().covered_frames > covered);
    engine.pause(false);
}

// While networks stand still within a run.
void resets_do_not_wait()
{
    Setting setting;
    setting.options.frames = 128;
    EXPECT(setting.networks(setting.options).rolling > 0);
    const std::vector<float> in = noise(8000);
    StreamEngine fresh(setting.networks(setting.options), setting.mode, setting.options);
    const Rows expected = drive(fresh, in);
    setting.options.realtime = 1;
    StreamEngine engine(setting.networks(setting.options), setting.mode, setting.options);
    for (int i = 0; i < 20; i++) {
        engine.pause(true);
        drive(engine, noise(3000, 9));
        engine.reset();
        engine.pause(false);
        engine.set_realtime(0);
        EXPECT(last_difference(drive(engine, in), expected) == 0);
        engine.set_realtime(1);
        engine.reset();
    }
}

void streams_share_threads()
{
    Setting setting;
    StreamOptions &o = setting.options;
    o.threads = 2;
    o.frames = 128;
    EXPECT(setting.networks(o).rolling > 0);
    const std::vector<float> in = noise(6000);
    StreamEngine alone(setting.networks(o), setting.mode, o);
    const Rows expected = drive(alone, in);
    o.shared_threads = true;
    const auto pool = shared_pool(0, 0);
    EXPECT(pool->threads() == 0 && shared_pool(0, 0) == pool && shared_pool(1, 0) != pool);
    std::vector<std::unique_ptr<StreamEngine>> engines;
    for (int i = 0; i < 8; i++)
        engines.emplace_back(new StreamEngine(setting.networks(o), setting.mode, o));
    EXPECT(pool->threads() == 2 && engines[7]->threads() == 2);
    std::vector<std::thread> hosts;
    std::vector<Rows> found(8);
    for (std::size_t i = 0; i < 8; i++)
        hosts.emplace_back([&, i] {
            found[i] = drive(*engines[i], in);
            engines[i].reset(); // while others are at work
        });
    for (std::thread &host : hosts)
        host.join();
    for (const Rows &rows : found)
        EXPECT(last_difference(rows, expected) == 0);
    StreamOptions more = o;
    more.threads = 3;
    StreamEngine wider(setting.networks(more), setting.mode, more);
    EXPECT(pool->threads() == 3);
    EXPECT(last_difference(drive(wider, in), expected) == 0);
}

// Each member in turn: one that always has something to do does not keep the others waiting.
void threads_are_fair()
{
    RunsAlone busy, modest;
    const auto pool = std::make_shared<ThreadPool>(0, 0);
    PoolMember one(pool, busy.runs, 1, 1), other(pool, modest.runs, 1, 1);
    busy.runs.work_with(&one);
    modest.runs.work_with(&other);
    std::vector<const void *> ended;
    ended.reserve(4);
    busy.tasks.log = modest.tasks.log = &ended; // by one thread
    pool->pause(true);
    for (std::int64_t run = 0; run < 3; run++)
        busy.runs.submit(run, 2, false);
    modest.runs.submit(0, 2, false);
    pool->pause(false);
    modest.runs.await(0, true);
    busy.runs.await(2, true);
    EXPECT(ended.size() == 4 && ended.back() == &busy.tasks); // not all three of the busy one first
}

// What the system knows of a thread of the engine.
void threads_have_name_and_rank()
{
    std::thread([] {
#if defined(__linux__)
        const id_t self = static_cast<id_t>(syscall(SYS_gettid));
        const int before = getpriority(PRIO_PROCESS, self);
#endif
        name_thread();
        EXPECT(set_priority(5, 0));
#if defined(_WIN32)
        EXPECT(GetThreadPriority(GetCurrentThread()) == THREAD_PRIORITY_BELOW_NORMAL);
        EXPECT(set_priority(10, 0));
        EXPECT(GetThreadPriority(GetCurrentThread()) == THREAD_PRIORITY_LOWEST);
        EXPECT(set_priority(0, 1)); // every program may
#else
        char name[32];
        EXPECT(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
        EXPECT(std::strcmp(name, thread_name) == 0);
#endif
#if defined(__linux__)
        EXPECT(getpriority(PRIO_PROCESS, self) == std::min(before + 5, 19));
#endif
    }).join();
}

#endif

const Test tests[] = {
    {"lead_of_a_player", lead_of_a_player},
    {"lead_of_a_player_that_is_held_up", lead_of_a_player_that_is_held_up},
    {"lead_of_a_renderer", lead_of_a_renderer},
    {"lead_where_blocks_are_not_promised", lead_where_blocks_are_not_promised},
    {"runs_in_order", runs_in_order},
    {"runs_are_abandoned", runs_are_abandoned},
    {"masks_are_held_then_covered", masks_are_held_then_covered},
    {"unwanted_runs_give_their_slots_back", unwanted_runs_give_their_slots_back},
    {"signal_comes_back", signal_comes_back},
    {"callers_thread_gives_the_same", callers_thread_gives_the_same},
    {"later_engines_give_the_same", later_engines_give_the_same},
    {"the_rest_is_exact", the_rest_is_exact},
    {"stems_before_their_gains", stems_before_their_gains},
#if SPLEETERRT_THREADS
    {"rendering_is_waited_for", rendering_is_waited_for},
    {"playing_is_not_waited_for", playing_is_not_waited_for},
    {"waiting_can_be_changed", waiting_can_be_changed},
    {"resets_do_not_wait", resets_do_not_wait},
    {"streams_share_threads", streams_share_threads},
    {"threads_are_fair", threads_are_fair},
    {"threads_have_name_and_rank", threads_have_name_and_rank},
#endif
};

} // namespace

int main(int argc, char **argv) { return run_tests(tests, argc, argv); }
