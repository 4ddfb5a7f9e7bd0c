#include "checks.h"
#include "watch.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace {

const std::vector<std::uint32_t> odd_blocks = {512, 64, 480, 1, 333, 512, 17};
constexpr double exact = -120; // dB

const char *const mode_names[] = {"short", "middle", "long"};

int mode_of(const std::string &name)
{
    for (int m = 0; m < 3; m++)
        if (name == mode_names[m])
            return m;
    std::exit(2);
}

// The sum of the stems.
Channels sum_of(const Channels &output)
{
    Channels sum(2, std::vector<float>(output[0].size()));
    for (std::size_t i = 0; i < output[0].size(); i++)
        for (int c = 0; c < 2; c++) {
            double x = 0;
            for (std::size_t s = 2; s < output.size(); s += 2)
                x += output[s + c][i];
            sum[c][i] = static_cast<float>(x);
        }
    return sum;
}

double worst(const Channels &a, const Channels &b, std::size_t from = 0)
{
    double level = -999;
    for (std::size_t c = 0; c < std::min(a.size(), b.size()); c++)
        level = std::max(level, difference(a[c], b[c], from));
    return level;
}

Channels delayed_input(const Channels &input, std::size_t by) { return {delayed(input[0], by), delayed(input[1], by)}; }

Channels stems_in(const Channels &output) { return Channels(output.begin() + 2, output.end()); }

// A render from the first block on, as fast as it goes.
Channels render(const Binary &binary, int stems, int mode, double rate, const Channels &input, bool told,
                std::uint32_t &latency)
{
    Instance plugin(binary, stems);
    plugin.set("Latency mode", mode);
    plugin.flush();
    plugin.set_offline(told);
    plugin.activate(rate, 512);
    latency = plugin.latency();
    Channels output = plugin.run(input, {odd_blocks, 0, false});
    const PluginStatus status = plugin.status();
    check(status.phase == 2, "%s: %s", told ? "told" : "untold", status.message);
    check(status.concealed_frames == 0 && status.late_runs == 0, "%s: %llu runs late, %llu frames concealed",
          told ? "told" : "untold", static_cast<unsigned long long>(status.late_runs),
          static_cast<unsigned long long>(status.concealed_frames));
    return output;
}

} // namespace

void check_null(const Binary &binary, const Arguments &arguments)
{
    const std::string model = arguments.at(0), mode = arguments.at(2);
    const int stems = std::stoi(arguments.at(1));
    const double rate = std::stod(arguments.at(3));
    const double seconds = arguments.size() > 4 ? std::stod(arguments[4]) : mode == "long" ? 9 : 2.5;
    const Channels input = music(rate, seconds);
    std::uint32_t latency = 0, again = 0;
    const Channels told = render(binary, stems, mode_of(mode), rate, input, true, latency);
    const Channels untold = render(binary, stems, mode_of(mode), rate, input, false, again);
    const Channels second = render(binary, stems, mode_of(mode), rate, input, true, again);
    std::printf("latency: %u samples, %.1f ms\n", latency, 1e3 * latency / rate);
    const Channels expected = delayed_input(input, latency);
    const double null = worst(sum_of(told), expected);
    check(null <= exact, "sum of the stems against the input: %.1f dB", null);
    const double mix = worst(told, expected); // its first two channels
    check(mix <= exact, "mix against the input: %.1f dB", mix);
    // Before the signal begins, where the C interface gives an echo of what comes, the plugin is silent.
    const Channels reference = stems_of(model, stems, mode.c_str(), rate, 512, input), got = stems_in(told);
    for (int s = 0; s < stems; s++) {
        const std::size_t left = 2 * static_cast<std::size_t>(s);
        const double off = std::max(difference(got[left], reference[left], latency),
                                    difference(got[left + 1], reference[left + 1], latency));
        check(off <= exact && level(got[left], latency) > -80,
              "stem %d against the C interface: %.1f dB, level %.1f dB", s, off, level(got[left], latency));
    }
    check(told == second, "two renders have the same bits");
    check(told == untold, "a host that says nothing gets the same bits");
}

void check_mix(const Binary &binary, const Arguments &)
{
    const double rate = 44100;
    const Channels input = music(rate, 1.5);
    Instance plugin(binary, 4);
    plugin.set_offline(true);
    plugin.set("Vocals gain", -6);
    plugin.set("Drums gain", -60);
    plugin.set("Bass mute", 1);
    plugin.set("Other gain", 3);
    plugin.flush();
    plugin.activate(rate, 512);
    const auto mixed = [](const Channels &out, std::vector<double> gains) {
        Channels mix(2, std::vector<float>(out[0].size()));
        for (std::size_t i = 0; i < out[0].size(); i++)
            for (int c = 0; c < 2; c++) {
                double x = 0;
                for (std::size_t s = 0; s < gains.size(); s++)
                    x += gains[s] * out[2 + 2 * s + c][i];
                mix[c][i] = static_cast<float>(x);
            }
        return mix;
    };
    Channels out = plugin.run(input);
    double off = worst(out, mixed(out, {std::pow(10, -0.3), 0, 0, std::pow(10, 0.15)}));
    check(off <= exact, "gains and mute: %.1f dB", off);
    const Channels before = stems_in(out);
    plugin->reset(plugin.get());
    plugin.set("Drums solo", 1);
    plugin.set("Drums gain", 0);
    out = plugin.run(input);
    off = worst(out, mixed(out, {0, 1, 0, 0}), 22050);
    check(off <= exact, "solo: %.1f dB", off);
    check(stems_in(out) == before, "stems come before gains, and after a reset as before");
    plugin->reset(plugin.get());
    plugin.set("Bypass", 1);
    out = plugin.run(input);
    const Channels expected = delayed_input(input, plugin.latency());
    check(worst(out, expected, 22050) == -999, "bypass: the input, to the bit");
    // A change within a block begins at its sample.
    plugin.set("Bypass", 0);
    plugin.set("Drums solo", 0);
    for (const char *name : {"Vocals gain", "Drums gain", "Other gain", "Bass mute"})
        plugin.set(name, 0);
    plugin.run(input);
    plugin->reset(plugin.get());
    for (const char *name : {"Vocals mute", "Drums mute", "Bass mute", "Other mute"})
        plugin.set_at(15000, name, 1);
    out = plugin.run(input, {{16384}, 0, false});
    double sum_off = difference(std::vector<float>(out[0].begin(), out[0].begin() + 15000),
                                std::vector<float>(expected[0].begin(), expected[0].begin() + 15000));
    check(sum_off <= exact && out[0][15100] != 0 && std::fabs(out[0][15460]) == 0,
          "mutes within a block begin at their sample and end 10 ms later: %.1f dB before", sum_off);
}

void check_blocks(const Binary &binary, const Arguments &)
{
    const Channels input = music(44100, 2);
    Channels reference;
    const std::vector<std::vector<std::uint32_t>> sizes = {{128}, {1000, 8192, 3}, {0, 100, 1, 4096}};
    for (const auto &blocks : sizes)
        for (const bool in_place : {false, true}) {
            Instance plugin(binary, 4);
            plugin.set_offline(true);
            plugin.activate(44100, 128);
            const Channels out = plugin.run(input, {blocks, 0, in_place});
            if (reference.empty())
                reference = out;
            check(out == reference, "promised 128, came %u ...%s: the same bits", blocks[0],
                  in_place ? ", in place" : "");
            const double null = worst(sum_of(out), delayed_input(input, plugin.latency()));
            check(null <= exact, "sum: %.1f dB", null);
        }
}

// What the plugin does elsewhere is counted: otherwise there would be nothing to see in its audio thread either.
static void check_counting(const Binary &binary)
{
    Instance plugin(binary, 4);
    watch::clear();
    watch::begin();
    plugin.activate(44100, 512);
    plugin.status();
    watch::end();
    watch::Counts counts = watch::counts();
    check(watch::works() && counts.allocations > 0 && counts.frees > 0 && counts.locks > 0,
          "activation counts: %ld allocations, %ld frees, %ld locks", counts.allocations, counts.frees, counts.locks);
    plugin.set_offline(true);
    watch::clear();
    plugin.run(music(44100, 1));
    counts = watch::counts();
    check(counts.waits > 0, "a render counts: %ld waits", counts.waits);
}

void check_realtime(const Binary &binary, const Arguments &arguments)
{
    const double rate = 44100, seconds = std::stod(arguments.at(0));
    const Channels input = music(rate, 1);
    check_counting(binary);
    Instance plugin(binary, 4);
    plugin.activate(rate, 512);
    const bool loaded = plugin.wait_until_loaded();
    check(loaded, "%s", plugin.status().message);
    watch::clear();
    std::size_t calls = 0;
    for (double done = 0; done < seconds; done += 1, calls++) {
        plugin.set("Vocals gain", calls % 2 ? -12 : 3);
        plugin.set("Drums mute", calls % 2);
        plugin.set("Bass solo", calls % 3 == 0);
        plugin.set("Bypass", calls % 5 == 0);
        plugin.set("Heard when late", static_cast<double>(calls % 4)); // another engine takes over
        plugin.run(input, {odd_blocks, 1, false});
        watch::begin(); // this, too, is called on the audio thread
        plugin->reset(plugin.get());
        watch::end();
    }
    const watch::Counts counts = watch::counts();
    check(counts.sum() == 0, "%.0f s in real time: %ld allocations, %ld frees, %ld locks, %ld waits", seconds,
          counts.allocations, counts.frees, counts.locks, counts.waits);
    const PluginStatus status = plugin.status();
    std::printf("late runs: %llu, load: %.2f, longest call: %.2f ms\n",
                static_cast<unsigned long long>(status.late_runs), status.load, plugin.worst_call * 1e3);
}

void check_late_loading(const Binary &binary, const Arguments &)
{
    const double rate = 44100;
    const Channels part = music(rate, 0.5);
    Channels input(2), out;
    Instance plugin(binary, 4);
    plugin.activate(rate, 512);
    const auto play = [&] {
        const Channels next = plugin.run(part, {{512, 100}, 1, false});
        out.resize(next.size());
        for (std::size_t c = 0; c < out.size(); c++)
            out[c].insert(out[c].end(), next[c].begin(), next[c].end());
        for (std::size_t c = 0; c < 2; c++)
            input[c].insert(input[c].end(), part[c].begin(), part[c].end());
    };
    for (int i = 0; i < 120 && plugin.status().phase != 2; i++)
        play();
    for (int i = 0; i < 3; i++)
        play();
    const double null = worst(sum_of(out), delayed_input(input, plugin.latency()));
    check(null <= exact, "sum while the engine takes over: %.1f dB", null);
    const double first = level({out[2].begin(), out[2].begin() + 4000}), last = level(out[2], out[2].size() - 22050);
    check(first < -200 && last > -80, "vocals: %.1f dB, then %.1f dB", first, last);
}

void check_dry(const Binary &binary, const Arguments &arguments)
{
    const int phase = std::stoi(arguments.at(0)), stems = arguments.size() > 1 ? std::stoi(arguments[1]) : 4;
    const Channels input = music(48000, 1);
    for (const bool offline : {false, true}) {
        Instance plugin(binary, stems);
        plugin.set_offline(offline);
        plugin.activate(48000, 512);
        plugin.wait_until_loaded();
        const Channels out = plugin.run(input, {odd_blocks, 0, false});
        const PluginStatus status = plugin.status();
        check(status.phase == phase && status.message[0], "status %d: %s", status.phase, status.message);
        const Channels expected = delayed_input(input, plugin.latency());
        bool silent = true;
        for (int c = 2; c < 2 * stems; c++)
            silent &= std::all_of(out[c].begin(), out[c].end(), [](float x) { return x == 0; });
        check(silent, "the other stems are silent");
        check(out[2 * stems] == expected[0] && out[2 * stems + 1] == expected[1],
              "the last stem is the input, to the bit");
        check(out[0] == expected[0] && out[1] == expected[1], "so is the mix");
    }
}

void check_rates(const Binary &binary, const Arguments &)
{
    for (const double rate : {22050.0, 32000.0, 44100.0, 48000.0, 88200.0, 96000.0, 176400.0, 192000.0, 44099.0}) {
        const Channels input = music(rate, 1);
        Instance plugin(binary, 2);
        plugin.set_offline(true);
        plugin.activate(rate, 1024);
        const Channels out = plugin.run(input, {{1024, 7}, 0, false});
        const double null = worst(sum_of(out), delayed_input(input, plugin.latency()));
        const PluginStatus status = plugin.status();
        check(null <= exact && status.phase == (rate == 44099 ? 4 : 2) && status.late_runs == 0,
              "%.0f Hz: latency %u (%.1f ms), sum %.1f dB; %s", rate, plugin.latency(), 1e3 * plugin.latency() / rate,
              null, status.message);
    }
}
