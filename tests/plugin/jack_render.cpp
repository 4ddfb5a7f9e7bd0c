// A song through a plugin that another JACK client runs, while the server freewheels; live: at its own pace.
//
//     jack_render CLIENT IN.f32 OUT.f32 SAMPLES [live]
//
// IN: float32, two channels; OUT: all of the client's outputs. Both ends are one client here, so that what comes out is
// a period later than the plugin says. Prints the samples of a period, and how often the server was late meanwhile.
#include <jack/jack.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace {

struct Client {
    jack_client_t *jack = nullptr;
    std::vector<jack_port_t *> out, in;
    std::vector<float> song, recorded;
    std::size_t samples = 0;
    std::atomic<std::size_t> at{~std::size_t{0}}; // that: not yet
    std::atomic<int> late{0};
};

int process(jack_nframes_t count, void *data)
{
    Client &c = *static_cast<Client *>(data);
    const std::size_t at = c.at.load();
    const bool plays = at < c.samples;
    for (std::size_t channel = 0; channel < 2; channel++) {
        auto *to = static_cast<float *>(jack_port_get_buffer(c.out[channel], count));
        for (jack_nframes_t i = 0; i < count; i++)
            to[i] = plays && 2 * (at + i) < c.song.size() ? c.song[2 * (at + i) + channel] : 0.0f;
    }
    for (std::size_t channel = 0; channel < c.in.size(); channel++) {
        const auto *from = static_cast<const float *>(jack_port_get_buffer(c.in[channel], count));
        for (jack_nframes_t i = 0; plays && i < count && at + i < c.samples; i++)
            c.recorded[(at + i) * c.in.size() + channel] = from[i];
    }
    if (plays)
        c.at = at + count;
    return 0;
}

std::vector<std::string> ports_of(jack_client_t *jack, const std::string &client, unsigned long flags)
{
    std::vector<std::string> names;
    const char **found = jack_get_ports(jack, (client + ":.*").c_str(), JACK_DEFAULT_AUDIO_TYPE, flags);
    for (int i = 0; found && found[i]; i++)
        names.emplace_back(found[i]);
    jack_free(found);
    return names;
}

void pause(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

} // namespace

int main(int count, char **arguments)
{
    if (count != 5 && count != 6)
        return 2;
    const bool live = count == 6;
    Client c;
    c.jack = jack_client_open("render", JackNoStartServer, nullptr);
    if (!c.jack)
        return 1;
    std::ifstream file(arguments[2], std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    c.song.resize(bytes.size() / sizeof(float));
    std::copy_n(bytes.data(), c.song.size() * sizeof(float), reinterpret_cast<char *>(c.song.data()));
    std::vector<std::string> into, from;
    int steady = 0; // the other client may still be starting, or register its ports at this moment
    for (int attempt = 0; attempt < 600 && steady < 10; attempt++, pause(50)) {
        const std::size_t before = into.size() + from.size();
        into = ports_of(c.jack, arguments[1], JackPortIsInput);
        from = ports_of(c.jack, arguments[1], JackPortIsOutput);
        const bool same = into.size() == 2 && !from.empty() && into.size() + from.size() == before;
        steady = same ? steady + 1 : 0;
    }
    if (steady < 10)
        return 1;
    c.samples = std::strtoul(arguments[4], nullptr, 10);
    c.recorded.resize(c.samples * from.size());
    for (int i = 0; i < 2; i++)
        c.out.push_back(jack_port_register(c.jack, i ? "right" : "left", JACK_DEFAULT_AUDIO_TYPE, JackPortIsOutput, 0));
    for (std::size_t i = 0; i < from.size(); i++)
        c.in.push_back(jack_port_register(c.jack, ("in" + std::to_string(i)).c_str(), JACK_DEFAULT_AUDIO_TYPE,
                                          JackPortIsInput, 0));
    jack_set_process_callback(c.jack, process, &c);
    const auto was_late = [](void *data) { return static_cast<Client *>(data)->late++, 0; };
    jack_set_xrun_callback(c.jack, was_late, &c);
    if (jack_activate(c.jack) != 0)
        return 1;
    for (std::size_t i = 0; i < 2; i++)
        jack_connect(c.jack, jack_port_name(c.out[i]), into[i].c_str());
    for (std::size_t i = 0; i < from.size(); i++)
        jack_connect(c.jack, from[i].c_str(), jack_port_name(c.in[i]));
    pause(500);
    if (!live)
        jack_set_freewheel(c.jack, 1);
    pause(500);
    c.late = 0; // by what was connected
    c.at = 0;
    while (c.at.load() < c.samples)
        pause(20);
    if (!live)
        jack_set_freewheel(c.jack, 0);
    std::printf("%u %d\n", jack_get_buffer_size(c.jack), c.late.load());
    jack_client_close(c.jack);
    std::ofstream(arguments[3], std::ios::binary)
        .write(reinterpret_cast<const char *>(c.recorded.data()),
               static_cast<std::streamsize>(c.recorded.size() * sizeof(float)));
    return 0;
}
