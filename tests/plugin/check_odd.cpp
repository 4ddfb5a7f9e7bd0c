// Hosts that do odd things, and files that change under the plugin.
#include "checks.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <thread>

#if defined(__linux__)
#include <pthread.h>
#endif

namespace fs = std::filesystem;

namespace {

// A block that only what is set here belongs to.
struct Block {
    explicit Block(std::uint32_t count) : samples(12, std::vector<float>(count, 0.25f)), pointers(12)
    {
        for (std::size_t c = 0; c < pointers.size(); c++)
            pointers[c] = samples[c].data();
        in = {pointers.data(), nullptr, 2, 0, 0};
        for (std::size_t p = 0; p < 5; p++)
            out.push_back({pointers.data() + 2 + 2 * p, nullptr, 2, 0, 0});
        process.steady_time = -1;
        process.frames_count = count;
        process.audio_inputs = &in;
        process.audio_inputs_count = 1;
        process.audio_outputs = out.data();
        process.audio_outputs_count = 5;
    }

    bool given_to(const Instance &plugin) const
    {
        return plugin->process(plugin.get(), &process) != CLAP_PROCESS_ERROR;
    }

    Channels samples;
    std::vector<float *> pointers; // the input's, then the outputs'
    clap_audio_buffer_t in;
    std::vector<clap_audio_buffer_t> out;
    clap_process_t process = {};
};

Channels sum_of(const Channels &output)
{
    Channels sum(2, std::vector<float>(output[0].size()));
    for (std::size_t c = 2; c < output.size(); c++)
        for (std::size_t i = 0; i < sum[0].size(); i++)
            sum[c % 2][i] += output[c][i];
    return sum;
}

std::string state_with(const std::string &model)
{
    std::string text = "spleeterrt-plugin 1\nmodel ";
    for (const char c : model)
        text += c == '\\' ? "\\\\" : std::string(1, c);
    return text + "\n";
}

void copied(const fs::path &from, const fs::path &to) { fs::copy_file(from, to, fs::copy_options::overwrite_existing); }

int threads_of_this_process()
{
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.compare(0, 8, "Threads:") == 0)
            return std::stoi(line.substr(8));
    return 0;
}

} // namespace

void check_odd(const Binary &binary, const Arguments &)
{
    Instance plugin(binary, 4);
    Block block(64);
    block.given_to(plugin);
    bool silent = true;
    for (std::size_t c = 2; c < 12; c++)
        silent &= std::all_of(block.samples[c].begin(), block.samples[c].end(), [](float x) { return x == 0; });
    check(silent, "never activated: silence");
    plugin->reset(plugin.get());
    check(!plugin->start_processing(plugin.get()), "nor can it be started");

    plugin.set_offline(true);
    plugin.activate(44100, 512);
    const Channels input = music(44100, 0.5);
    const Channels expected = plugin.run(input, {{512}, 0, false});
    check(plugin.status().phase == 2, "%s", plugin.status().message);
    plugin->reset(plugin.get());
    plugin->start_processing(plugin.get());

    // No samples, and pointers to nothing.
    clap_process_t nothing = {};
    nothing.steady_time = -1;
    check(plugin->process(plugin.get(), &nothing) != CLAP_PROCESS_ERROR, "no samples, no ports");
    Block none(512);
    none.process.frames_count = 0;
    none.in.data32 = nullptr;
    for (clap_audio_buffer_t &port : none.out)
        port.data32 = nullptr;
    check(none.given_to(plugin), "no samples, ports without memory");

    // Ports without memory, channels without memory, one channel; more events than the adapter takes at a time, of
    // every kind and at times that are none. What comes out where there is memory is what always does.
    for (int round = 0; round < 2; round++) {
        Channels got(2);
        plugin->reset(plugin.get());
        for (std::size_t at = 0; at + 512 <= input[0].size(); at += 512) {
            Block part(512);
            for (std::size_t c = 0; c < 2; c++)
                std::copy_n(input[c].begin() + static_cast<std::ptrdiff_t>(at), 512, part.samples[c].begin());
            part.out[0].data32 = nullptr;  // the mix
            part.pointers[6] = nullptr;    // the left channel of drums
            part.out[3].channel_count = 1; // bass
            part.process.audio_outputs_count = 5;
            std::vector<clap_event_param_value_t> events(round == 0 ? 0 : 700);
            for (std::size_t e = 0; e < events.size(); e++) {
                events[e].header = {
                    sizeof events[e], static_cast<std::uint32_t>(e < 650 ? e / 2 : e), CLAP_CORE_EVENT_SPACE_ID,
                    static_cast<std::uint16_t>(e % 4 ? std::size_t{CLAP_EVENT_PARAM_VALUE} : e % 13), 0};
                events[e].param_id = static_cast<clap_id>(e % 3 ? 32 + 16 * (e % 4) : 7777);
                events[e].value = e % 5 ? -3.0 : std::numeric_limits<double>::quiet_NaN();
            }
            const clap_input_events_t list = {
                &events,
                [](const clap_input_events_t *l) {
                    return static_cast<std::uint32_t>(
                        static_cast<std::vector<clap_event_param_value_t> *>(l->ctx)->size());
                },
                [](const clap_input_events_t *l, std::uint32_t i) -> const clap_event_header_t * {
                    return i % 50 == 49 ? nullptr
                                        : &(*static_cast<std::vector<clap_event_param_value_t> *>(l->ctx))[i].header;
                }};
            part.process.in_events = &list;
            part.given_to(plugin);
            for (std::size_t c = 0; c < 2; c++) // vocals
                got[c].insert(got[c].end(), part.samples[4 + c].begin(), part.samples[4 + c].end());
        }
        const std::size_t heard = got[0].size();
        check(std::equal(got[0].begin(), got[0].end(), expected[2].begin()) &&
                  std::equal(got[1].begin(), got[1].end(), expected[3].begin()) && heard > 20000,
              "buffers that are missing%s", round ? ", and 700 events of all kinds in a block" : "");
    }
    double gain = 0;
    plugin.params().get_value(plugin.get(), 32, &gain);
    check(std::isfinite(gain), "a value that is no number has left the gain at %.1f", gain);

    // Every output in the same memory; then outputs in the input's memory, crosswise.
    Block same(512);
    for (std::size_t c = 2; c < 12; c++)
        same.pointers[c] = same.samples[2 + c % 2].data();
    check(same.given_to(plugin), "all outputs in one place");
    Block crossed(512);
    crossed.pointers[2] = crossed.pointers[1];
    crossed.pointers[3] = crossed.pointers[0];
    check(crossed.given_to(plugin), "left comes out where right came in");
    plugin->stop_processing(plugin.get());
    plugin.deactivate();

    // An input without memory, whole or for one channel: silence there.
    plugin.activate(44100, 512);
    for (int left = 0; left < 2; left++) {
        plugin->reset(plugin.get());
        plugin->start_processing(plugin.get());
        Channels got(10);
        for (int n = 0; n < 60; n++) {
            Block part(512);
            if (left)
                part.pointers[0] = nullptr;
            else
                part.in.data32 = nullptr;
            part.given_to(plugin);
            for (std::size_t c = 0; c < got.size(); c++)
                got[c].insert(got[c].end(), part.samples[2 + c].begin(), part.samples[2 + c].end());
        }
        const std::vector<float> quarters(got[0].size(), 0.25f), zeros(got[0].size());
        const Channels sum = sum_of(got);
        check(difference(sum[0], zeros) <= -120 &&
                  difference(sum[1], delayed(left ? quarters : zeros, plugin.latency())) <= -120,
              "an input %s memory", left ? "whose left channel has no" : "without");
        plugin->stop_processing(plugin.get());
    }
    plugin.deactivate();

    // Promises of any size: refused, or kept.
    for (const std::uint32_t most : {1u, 0u, 1u << 12, 1u << 20, std::numeric_limits<std::uint32_t>::max()}) {
        const bool taken = plugin.activate(44100, most);
        check(taken || (most != 1 && most != 1u << 12), "promised %u: %s", most, taken ? "taken" : "refused");
        if (!taken)
            continue;
        const Channels in = music(44100, 0.3 + plugin.latency() / 44100.0), out = plugin.run(in, {{4096, 1}, 0, false});
        const double null = difference(sum_of(out)[0], delayed(in[0], plugin.latency()));
        check(null <= -120, "promised %u: latency %u, sum %.1f dB", most, plugin.latency(), null);
        plugin.deactivate();
    }
}

// Samples that are no numbers, or enormous: the mix passes them, the plugin is over them in the end.
void check_odd_sound(const Binary &binary, const Arguments &)
{
    const float numbers[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e30f};
    const char *const names[] = {"no number", "infinite", "enormous"};
    for (int k = 0; k < 3; k++) {
        Channels input = music(44100, 9);
        input[0][20000] = input[1][20001] = numbers[k];
        Instance plugin(binary, 4);
        plugin.set_offline(true);
        plugin.activate(44100, 512);
        const Channels out = plugin.run(input, {{512}, 0, false}), sum = sum_of(out);
        const std::vector<float> expected = delayed(input[0], plugin.latency());
        std::size_t last = 0;
        for (std::size_t c = 0; c < out.size(); c++)
            for (std::size_t i = 0; i < out[c].size(); i++)
                if (!std::isfinite(out[c][i]) || std::fabs(out[c][i]) > 10)
                    last = std::max(last, i);
        std::printf("%s: the last sample that is not sound is %.2f s later\n", names[k],
                    (static_cast<double>(last) - 20000 - plugin.latency()) / 44100);
        const std::size_t late = 7 * 44100;
        check(difference(sum[0], expected, late) <= -120 && level(out[2], late) > -80,
              "%s: at the end the sum is %.1f dB, vocals %.1f dB", names[k], difference(sum[0], expected, late),
              level(out[2], late));
    }
}

// OTHER: another model, of 5 stems. Instances do not disturb each other; a file that is damaged, replaced or gone while
// its model plays is no concern of those that play it.
void check_models(const Binary &binary, const Arguments &arguments)
{
    const fs::path starter = fs::u8path(arguments.at(0)), other = fs::u8path(arguments.at(1)),
                   folder = fs::u8path(arguments.at(2));
    const Channels input = music(44100, 1);
    const auto made = [&](int stems, const fs::path &model) {
        auto plugin = std::make_unique<Instance>(binary, stems);
        check(plugin->load(state_with(model.u8string())), "%d stems with %s", stems,
              model.filename().u8string().c_str());
        plugin->set_offline(true);
        plugin->activate(44100, 512);
        return plugin;
    };
    Channels alone[3];
    const int stems[3] = {4, 5, 2};
    const fs::path *const models[3] = {&starter, &other, &starter};
    for (int k = 0; k < 3; k++)
        alone[k] = made(stems[k], *models[k])->run(input);
    {
        std::unique_ptr<Instance> all[3];
        Channels got[3];
        for (int k = 0; k < 3; k++)
            all[k] = made(stems[k], *models[k]);
        const std::size_t length = input[0].size(), step = 3000;
        for (std::size_t at = 0; at < length; at += step)
            for (int k = 0; k < 3; k++) {
                Channels part(2);
                for (std::size_t c = 0; c < 2; c++)
                    part[c].assign(input[c].begin() + static_cast<std::ptrdiff_t>(at),
                                   input[c].begin() + static_cast<std::ptrdiff_t>(std::min(at + step, length)));
                const Channels out = all[k]->run(part, {{512, 100}, 0, false});
                got[k].resize(out.size());
                for (std::size_t c = 0; c < out.size(); c++)
                    got[k][c].insert(got[k][c].end(), out[c].begin(), out[c].end());
            }
        for (int k = 0; k < 3; k++)
            check(got[k] == alone[k], "%d stems, with others in turn: as alone", stems[k]);
        Channels at_once[3];
        std::vector<std::thread> hosts; // tracks that a host renders in threads of its own
        for (int k = 0; k < 3; k++) {
            (*all[k])->reset(all[k]->get());
            hosts.emplace_back([&, k] { at_once[k] = all[k]->run(input); });
        }
        for (std::thread &host : hosts)
            host.join();
        for (int k = 0; k < 3; k++)
            check(at_once[k] == alone[k], "%d stems, with others at the same time: as alone", stems[k]);
    }
    const fs::path file = folder / fs::u8path("my model \u00fc.safetensors");
    copied(starter, file);
    const auto plugin = made(4, file);
    check(plugin->run(input) == alone[0], "its own copy of the model");
    check(plugin->save().find("model \n") == std::string::npos && plugin->load(plugin->save(3), 5), "by the state");
    fs::resize_file(file, fs::file_size(file) / 2);
    (*plugin)->reset(plugin->get());
    check(plugin->run(input) == alone[0], "cut while it is loaded: nothing is different");
    plugin->deactivate();
    plugin->activate(44100, 512);
    check(plugin->run(input) == alone[0], "nor after a restart");
    {
        const auto second = made(4, file);
        const Channels out = second->run(input);
        const Channels sum = sum_of(out);
        check(second->status().phase == 4 && sum[0] == delayed(input[0], second->latency()),
              "one that reads it now: %s", second->status().message);
        copied(starter, file);
        second->deactivate();
        check(second->load(state_with("")) && second->load(state_with(file.u8string())), "repaired, and chosen again");
        second->activate(44100, 512);
        check(second->run(input) == alone[0], "then it plays");
    }
    const fs::path next = folder / "next.safetensors";
    copied(other, next);
    fs::rename(next, file);
    (*plugin)->reset(plugin->get());
    check(plugin->run(input) == alone[0], "replaced while it is loaded: nothing is different");
    check(made(5, file)->run(input) == alone[1], "one that reads it now gets the new one");
    fs::remove(file);
    (*plugin)->reset(plugin->get());
    check(plugin->run(input) == alone[0], "removed: nothing is different");
}

// A host whose blocks come on one thread after the other, with little room on each one's stack.
void check_host_threads(const Binary &binary, const Arguments &)
{
#if defined(__linux__)
    const Channels input = music(44100, 1);
    Channels expected, got;
    for (Channels *out : {&expected, &got}) {
        Instance plugin(binary, 4);
        plugin.set_offline(true);
        plugin.activate(44100, 512);
        if (out == &expected) {
            *out = plugin.run(input);
            continue;
        }
        out->assign(10, {});
        for (std::size_t at = 0; at < input[0].size(); at += 512) {
            struct Work {
                const Instance &plugin;
                Block block;
            } work = {plugin, Block(512)};
            const auto n = static_cast<std::uint32_t>(std::min<std::size_t>(512, input[0].size() - at));
            work.block.process.frames_count = n;
            for (std::size_t c = 0; c < 2; c++)
                std::copy_n(input[c].begin() + static_cast<std::ptrdiff_t>(at), n, work.block.samples[c].begin());
            pthread_attr_t attributes;
            pthread_attr_init(&attributes);
            pthread_attr_setstacksize(&attributes, 64 * 1024);
            pthread_t thread;
            const int failed = pthread_create(
                &thread, &attributes,
                [](void *argument) -> void * {
                    const Work &w = *static_cast<Work *>(argument);
                    w.block.given_to(w.plugin);
                    return nullptr;
                },
                &work);
            if (failed) {
                check(false, "no thread");
                return;
            }
            pthread_join(thread, nullptr);
            pthread_attr_destroy(&attributes);
            for (std::size_t c = 0; c < 10; c++)
                (*out)[c].insert((*out)[c].end(), work.block.samples[2 + c].begin(),
                                 work.block.samples[2 + c].begin() + n);
        }
    }
    check(got == expected, "every block on a thread of its own, with a stack of 64 KB: the same bits");
#else
    static_cast<void>(binary);
    check(true, "for Linux alone");
#endif
}

// COPY: another file with the plugin. A host that opens and closes it again and again, while networks run.
void check_reload(const Binary &, const Arguments &arguments)
{
#if !defined(__linux__)
    check(true, "what is left is looked at on Linux alone");
#endif
    const std::string &path = arguments.at(0);
    for (int i = 0; i < 4; i++) {
        const int before = threads_of_this_process();
        {
            const Binary again(path);
            Instance first(again, 4), second(again, 2);
            for (Instance *plugin : {&first, &second}) {
                plugin->activate(44100, 512);
                if (i != 1)
                    plugin->wait_until_loaded();
                plugin->run(music(44100, 0.3), {{512}, 8, false});
            }
        }
        check(threads_of_this_process() == before, "closed: %d threads, as before", threads_of_this_process());
        std::ifstream maps("/proc/self/maps");
        bool there = false;
        for (std::string line; std::getline(maps, line);)
            there |= line.find(path) != std::string::npos;
        check(!there, "and the file is not in memory");
    }
}
