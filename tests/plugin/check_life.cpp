#include "checks.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <time.h>

namespace {

double cpu_seconds()
{
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double own_megabytes(const char *what) // of /proc/self/status
{
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);)
        if (line.compare(0, std::strlen(what), what) == 0)
            return std::atof(line.c_str() + std::strlen(what) + 1) / 1024;
    return 0;
}

const char *const mode_names[] = {"short", "middle", "long"};

void rest(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

} // namespace

// As a host that fills its list. (The caller watches which files are opened.)
void check_scan(const Binary &binary, const Arguments &)
{
    const double begun = cpu_seconds();
    const clap_plugin_factory_t *factory = binary.factory();
    const std::uint32_t count = factory->get_plugin_count(factory);
    check(count == 3 && !factory->get_plugin_descriptor(factory, count), "%u plugins", count);
    for (std::uint32_t i = 0; i < count; i++) {
        const clap_plugin_descriptor_t &d = *factory->get_plugin_descriptor(factory, i);
        check(d.id[0] && d.name[0] && d.vendor[0] && d.version[0] && d.features[0], "%s, %s %s", d.id, d.name,
              d.version);
        Instance plugin(binary, std::atoi(d.name + std::strlen("spleeterrt ")));
        check(plugin.latency() > 0, "latency before activation: %u", plugin.latency());
        const auto &ports = *plugin.extension<clap_plugin_audio_ports_t>(CLAP_EXT_AUDIO_PORTS);
        for (const bool in : {true, false})
            for (std::uint32_t p = 0; p < ports.count(plugin.get(), in); p++) {
                clap_audio_port_info_t info;
                check(ports.get(plugin.get(), p, in, &info) && info.channel_count == 2, "port %s", info.name);
            }
    }
    check(!factory->create_plugin(factory, nullptr, "nobody"), "an unknown plugin is not made");
    std::printf("CPU: %.1f ms\n", (cpu_seconds() - begun) * 1e3);
}

void check_parameters(const Binary &binary, const Arguments &)
{
    for (const int stems : {2, 4, 5}) {
        Instance plugin(binary, stems);
        const clap_plugin_params_t &params = plugin.params();
        const std::uint32_t count = params.count(plugin.get());
        check(count == 3u + 3u * static_cast<unsigned>(stems), "%d stems: %u parameters", stems, count);
        for (std::uint32_t i = 0; i < count; i++) {
            clap_param_info_t info;
            double value = 0;
            bool good = params.get_info(plugin.get(), i, &info) && params.get_value(plugin.get(), info.id, &value) &&
                        value == info.default_value && (info.flags & CLAP_PARAM_IS_AUTOMATABLE);
            std::string texts;
            const double step = info.flags & CLAP_PARAM_IS_STEPPED ? 1 : 4.5;
            for (double v = info.min_value; v <= info.max_value; v += step) {
                char text[64] = "";
                double back = -1e9;
                good &= params.value_to_text(plugin.get(), info.id, v, text, sizeof text) &&
                        params.text_to_value(plugin.get(), info.id, text, &back) && std::fabs(back - v) < 1e-9;
                texts += std::string(texts.empty() ? "" : ", ") + text;
            }
            check(good, "%u %s%s%s: %s", info.id, info.module, *info.module ? "/" : "", info.name, texts.c_str());
            char text[4];
            double none = 0;
            check(params.value_to_text(plugin.get(), info.id, 0, text, sizeof text) && std::strlen(text) < 4 &&
                      !params.text_to_value(plugin.get(), info.id, "nonsense", &none),
                  "little room, and nonsense");
        }
        for (const auto &[text, expected] :
             {std::pair{"-3,5", -3.5}, {" \u22126,0 dB", -6.0}, {"\u2212\u221e dB", -60.0}}) {
            double value = 0;
            check(params.text_to_value(plugin.get(), 32, text, &value) && value == expected, "a gain of \"%s\"", text);
        }
        clap_param_info_t info;
        double value = 0;
        check(!params.get_info(plugin.get(), count, &info) && !params.get_value(plugin.get(), 9999, &value),
              "no others");
    }
}

void check_state(const Binary &binary, const Arguments &)
{
    std::string saved;
    {
        Instance plugin(binary, 4);
        plugin.set("Vocals gain", -7.25);
        plugin.set("Bass mute", 1);
        plugin.set("Latency mode", 2);
        plugin.set("Heard when late", 1);
        plugin.flush();
        saved = plugin.save(7);
        check(saved == plugin.save() && !saved.empty(), "saved in parts of 7 bytes: %zu bytes", saved.size());
    }
    for (const std::size_t part : {std::size_t{1}, std::size_t{3}, std::size_t{1 << 20}}) {
        Instance plugin(binary, 4);
        check(plugin.load(saved, part) && plugin.rescans == 1 && plugin.save() == saved &&
                  plugin.value("Vocals gain") == -7.25 && plugin.value("Bass mute") == 1 &&
                  plugin.value("Latency mode") == 2 && plugin.value("Heard when late") == 1 &&
                  plugin.value("Drums gain") == 0,
              "restored from parts of %zu bytes", part);
    }
    // Of another version: a name that is unknown here, others missing, a value out of range, line ends of Windows.
    Instance plugin(binary, 4);
    plugin.set("Drums gain", -3);
    plugin.flush();
    check(plugin.load("spleeterrt-plugin 2\nsparkle 0.7\nvocals_gain -4.5\nlatency_mode 77\nbypass x\n") &&
              plugin.value("Vocals gain") == -4.5 && plugin.value("Drums gain") == 0 &&
              plugin.value("Latency mode") == 2 && plugin.value("Bypass") == 0,
          "a later version's state");
    // The first version's, as it was written: projects hold it.
    check(plugin.load(
              "spleeterrt-plugin 1\nmodel \nbypass 1\nlatency_mode 0\nheard_when_late 3\nvocals_gain -6\n"
              "vocals_mute 0\nvocals_solo 1\ndrums_gain 2.5\ndrums_mute 0\ndrums_solo 0\nbass_gain 0\nbass_mute 1\n"
              "bass_solo 0\nother_gain -60\nother_mute 0\nother_solo 0\n") &&
              plugin.value("Bypass") == 1 && plugin.value("Latency mode") == 0 && plugin.value("Vocals solo") == 1 &&
              plugin.value("Drums gain") == 2.5 && plugin.value("Bass mute") == 1 && plugin.value("Other gain") == -60,
          "the first version's state");
    const std::string before = plugin.save();
    for (const char *text : {"", "RIFF", "spleeterrt-plugin", "spleeterrt-plugin x\n"})
        check(!plugin.load(text) && plugin.save() == before, "no state: \"%.12s\"", text);
    check(!plugin.load(std::string(3 << 20, 'x')) && plugin.save() == before, "too much to be a state");
}

// FILE STEMS: what a project holds. The caller looks at the values.
void check_project(const Binary &binary, const Arguments &arguments)
{
    std::ifstream file(arguments.at(0), std::ios::binary);
    const std::string state(std::istreambuf_iterator<char>(file), {});
    const int stems = std::stoi(arguments.at(1));
    Instance plugin(binary, stems);
    for (std::uint32_t i = 0; i < plugin.params().count(plugin.get()); i++) {
        clap_param_info_t info;
        plugin.params().get_info(plugin.get(), i, &info);
        std::printf("parameter %u: %s, %s, %g to %g, %g\n", info.id, info.module, info.name, info.min_value,
                    info.max_value, info.default_value);
    }
    check(plugin.load(state, 7), "%zu bytes", state.size());
    const std::string saved = plugin.save();
    Instance other(binary, stems);
    check(other.load(saved) && other.save() == saved, "saved again, by this version");
    std::printf("%s", saved.c_str());
}

void check_mode(const Binary &binary, const Arguments &)
{
    const Channels input = music(44100, 1);
    Instance plugin(binary, 4);
    plugin.set_offline(true);
    plugin.activate(44100, 256);
    std::uint32_t latencies[3] = {0, plugin.latency(), 0};
    const int told_before = plugin.latency_told;
    for (const int mode : {0, 2, 1}) {
        plugin.set("Latency mode", mode);
        const std::uint32_t before = plugin.latency();
        plugin.run(input, {{256}, 0, false});
        check(plugin.latency() == before && plugin.restarts == 1,
              "active: the latency stays, and one restart is asked for");
        check(plugin.restart_if_asked(), "restarted");
        latencies[mode] = plugin.latency();
        const Channels out = plugin.run(input, {{256}, 0, false});
        std::vector<float> sum(input[0].size());
        for (std::size_t i = 0; i < sum.size(); i++)
            sum[i] = out[2][i] + out[4][i] + out[6][i] + out[8][i];
        const double null = difference(sum, delayed(input[0], plugin.latency()));
        check(mode == 2 ? level(sum) < -300 : null < -120, "mode %d: latency %u, sum %.1f dB", mode, plugin.latency(),
              null);
    }
    check(plugin.latency_told - told_before == 3, "the host was told %d times", plugin.latency_told - told_before);
    for (int m = 0; m < 3; m++)
        check(latencies[m] == latency_of(mode_names[m], 44100, 256), "%s: %u samples, as the C interface has it",
              mode_names[m], latencies[m]);
    plugin.set("Latency mode", 0);
    plugin.flush();
    check(plugin.restarts == 1, "a flush while active asks for a restart, too");
    plugin.set("Latency mode", 1);
    plugin.flush();
    plugin.run(input, {{256}, 0, false});
    check(plugin.latency() == latencies[1], "and back");
    plugin.deactivate();
    plugin.set("Latency mode", 0);
    plugin.flush();
    plugin.activate(44100, 256);
    check(plugin.latency() == latencies[0], "changed while inactive: %u", plugin.latency());
    plugin.deactivate();
    plugin.activate(48000, 64);
    check(plugin.latency() == latency_of("short", 48000, 64), "another rate and block: %u", plugin.latency());
}

// Without a window, and perhaps without a display.
static void check_gui_calls(const Instance &plugin, bool timers)
{
    const clap_plugin_gui_t *gui = plugin.extension<clap_plugin_gui_t>(CLAP_EXT_GUI);
    if (!gui)
        return; // a build without an editor
    const clap_plugin_t *p = plugin.get();
    const char *api = nullptr;
    bool floating = true;
    std::uint32_t width = 0, height = 0;
    const bool preferred = gui->get_preferred_api(p, &api, &floating);
    check(preferred && !floating && gui->is_api_supported(p, api, false) && !gui->is_api_supported(p, api, true) &&
              !gui->is_api_supported(p, "nonsense", false),
          "gui: %s", api ? api : "none");
    check(!gui->create(p, "nonsense", false) && !gui->get_size(p, &width, &height) && !gui->show(p) && !gui->hide(p) &&
              !gui->set_size(p, 100, 100) && !gui->set_scale(p, 2) && !gui->set_parent(p, nullptr),
          "gui: nothing before it is there");
    for (int i = 0; i < 2; i++) {
        if (!timers && std::strcmp(api, CLAP_WINDOW_API_X11) == 0) {
            check(!gui->create(p, api, false), "gui: none that nobody would draw");
        } else if (gui->create(p, api, false)) {
            const bool has_size = gui->get_size(p, &width, &height);
            check(has_size && width > 100 && height > 100, "gui: %u x %u", width, height);
            check(!gui->create(p, api, false), "gui: one at a time");
        }
        gui->destroy(p);
    }
    gui->destroy(p);
}

void check_orders(const Binary &binary, const Arguments &)
{
    const Channels input = music(44100, 0.05);
    for (const bool extensions : {true, false}) {
        Instance plugin(binary, 4, extensions);
        const auto ask = [&](const char *when) {
            const std::string state = plugin.save(5);
            plugin.set("Drums gain", -1);
            plugin.flush();
            check(plugin.latency() > 0 && plugin.load(state, 2) && plugin.value("Drums gain") == 0 &&
                      plugin.extension<clap_plugin_audio_ports_t>(CLAP_EXT_AUDIO_PORTS)->count(plugin.get(), false) ==
                          5 &&
                      !plugin.extension<void>("nobody.knows") && !plugin->get_extension(plugin.get(), nullptr),
                  "%s: latency, state, flush, ports", when);
            plugin.set_offline(true);
            plugin.set_offline(false);
            plugin->on_main_thread(plugin.get());
        };
        ask("after init");
        check(!plugin.activate(0, 333) && !plugin.activate(INFINITY, 333) && !plugin.activate(NAN, 333), "no rates");
        check_gui_calls(plugin, extensions);
        for (const double rate : {44100.0, 48000.0}) {
            check(plugin.activate(rate, 333), "activate");
            ask("active");
            plugin->reset(plugin.get());
            plugin.run(input, {{333}, 0, false});
            ask("stopped");
            plugin->reset(plugin.get());
            plugin.run(input, {{20}, 0, true});
            plugin.deactivate();
            ask("inactive");
            check(plugin.activate(rate, 333), "activate again");
            plugin.deactivate();
        }
        plugin.activate(44100, 64);
        plugin->start_processing(plugin.get());
        plugin->stop_processing(plugin.get());
        plugin->start_processing(plugin.get());
        plugin->reset(plugin.get());
        plugin->reset(plugin.get());
        plugin->stop_processing(plugin.get());
        check(plugin.latency() > 0, "started and stopped without sound");
    }
    for (int i = 0; i < 20; i++)
        Instance plugin(binary, 2 + 2 * (i % 2));
    for (int i = 0; i < 6; i++) {
        Instance plugin(binary, 4);
        plugin.activate(44100, 64);
        plugin.deactivate();
    }
    // A host with fewer ports than there are, and one without sound.
    Instance plugin(binary, 4);
    plugin.activate(44100, 64);
    plugin->start_processing(plugin.get());
    clap_process_t process = {};
    process.steady_time = -1;
    process.frames_count = 64;
    check(plugin->process(plugin.get(), &process) != CLAP_PROCESS_ERROR, "no ports and no events");
    std::vector<float> left(64, 0.5f), right(64, 0.5f);
    float *channels[2] = {left.data(), right.data()};
    clap_audio_buffer_t buffer = {channels, nullptr, 2, 0, 0}, in = buffer;
    process.audio_inputs = &in;
    process.audio_inputs_count = 1;
    process.audio_outputs = &buffer;
    process.audio_outputs_count = 1;
    check(plugin->process(plugin.get(), &process) != CLAP_PROCESS_ERROR && left[0] == 0 && right[63] == 0,
          "the main port alone, in place");
    plugin->stop_processing(plugin.get());
}

void check_many(const Binary &binary, const Arguments &arguments)
{
    const int count = std::stoi(arguments.at(0));
    const Channels input = music(44100, 1);
    const double before = own_megabytes("VmRSS:");
    std::vector<std::unique_ptr<Instance>> all;
    for (int i = 0; i < count; i++) {
        all.emplace_back(new Instance(binary, 4));
        all.back()->set_offline(true);
        all.back()->activate(44100, 512);
    }
    Channels first;
    for (const auto &plugin : all) {
        const Channels out = plugin->run(input);
        if (first.empty())
            first = out;
        check(out == first && plugin->status().phase == 2, "one of %d", count);
    }
    const double used = own_megabytes("VmRSS:") - before;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.compare(0, 8, "Threads:") == 0)
            std::printf("%s\n", line.c_str());
    check(used < 50.0 * count, "%d instances: %.0f MB in all", count, used);
    all.clear();
    rest(50);
    std::printf("after them: %.0f MB\n", own_megabytes("VmRSS:") - before);
}

// Destroyed before, while and after the engine is made, and while networks run.
void check_unload(const Binary &binary, const Arguments &)
{
    double worst = 0;
    for (int i = 0; i < 8; i++) {
        std::unique_ptr<Instance> plugin(new Instance(binary, 4));
        plugin->activate(44100, 512);
        if (i % 4 == 1)
            rest(30 * i);
        if (i % 4 > 1)
            plugin->wait_until_loaded();
        plugin->run(music(44100, 0.2 + 0.01 * i), {{512}, i % 4 == 3 ? 1.0 : 0.0, false});
        const auto begun = std::chrono::steady_clock::now();
        plugin.reset();
        worst = std::max(worst, std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
    }
    check(true, "unloaded; the longest took %.0f ms", worst * 1e3);
}

// An audio thread, and a main thread that turns everything.
void check_race(const Binary &binary, const Arguments &arguments)
{
    const double seconds = std::stod(arguments.at(0));
    const char *model = arguments.size() > 1 ? arguments[1].c_str() : "";
    Instance plugin(binary, 2), neighbour(binary, 2);
    neighbour.activate(44100, 512);
    std::atomic<bool> over{false};
    std::thread next_track([&] { // on another audio thread, with the same model and the same networks' threads
        const Channels input = music(44100, 0.1);
        while (!over.load())
            neighbour.run(input, {{512}, 2, false});
    });
    const auto begun = std::chrono::steady_clock::now();
    const auto passed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count(); };
    for (int round = 0; passed() < seconds; round++) {
        plugin.activate(round % 2 ? 44100 : 48000, 256);
        std::atomic<bool> stop{false};
        std::thread audio([&] {
            const Channels input = music(44100, 0.1);
            for (int i = 0; !stop.load(); i++) {
                plugin.set("Vocals gain", -i % 20);
                plugin.set("Heard when late", (i / 8) % 2);
                plugin.set("Latency mode", (round + i) % 3);
                plugin.run(input, {{256, 31}, 2, false});
                if (i % 5 == 4)
                    plugin->reset(plugin.get());
            }
        });
        for (int i = 0; i < 40; i++) {
            plugin.set_offline(i % 7 == 6);
            const std::string text = std::string("spleeterrt-plugin 1\nmodel ") + (i % 4 == 3 ? model : "") +
                                     "\nvocals_gain " + std::to_string(-i) + "\nlatency_mode " + std::to_string(i % 3) +
                                     "\n";
            if (i % 5 == 0)
                plugin.load(text);
            plugin.status();
            plugin.save();
            plugin.latency();
            plugin.value("Vocals gain");
            rest(20);
        }
        stop = true;
        audio.join();
        plugin.deactivate();
    }
    over = true;
    next_track.join();
    check(true, "%.0f s of everything at once", seconds);
}
