#include "live/jack.h"

#include "clock.h"

#include <algorithm>
#include <cstring>

namespace spleeterrt {
namespace {

constexpr int no_start_server = 0x01;                                      // JackNoStartServer
constexpr int failed_server = 0x10, broken_server = 0x20, version = 0x400; // JackServerFailed, JackServerError
constexpr unsigned long is_input = 0x1, is_output = 0x2, is_physical = 0x4;
constexpr int capture = 0, playback = 1;       // JackCaptureLatency, JackPlaybackLatency
constexpr std::size_t longest_block = 1 << 16; // servers have at most 8192
const char *const audio = "32 bit float mono audio";

} // namespace

JackApi::JackApi(const std::vector<std::string> &names)
{
    const Library library(names);
    library.find(client_open, "jack_client_open");
    library.find(client_close, "jack_client_close");
    library.find(get_client_name, "jack_get_client_name");
    library.find(activate, "jack_activate");
    library.find(deactivate, "jack_deactivate");
    library.find(get_sample_rate, "jack_get_sample_rate");
    library.find(get_buffer_size, "jack_get_buffer_size");
    library.find(set_buffer_size, "jack_set_buffer_size");
    library.find(is_realtime, "jack_is_realtime");
    library.try_find(client_real_time_priority, "jack_client_real_time_priority");
    library.find(last_frame_time, "jack_last_frame_time");
    library.find(set_process_callback, "jack_set_process_callback");
    library.find(set_buffer_size_callback, "jack_set_buffer_size_callback");
    library.find(set_xrun_callback, "jack_set_xrun_callback");
    library.find(set_latency_callback, "jack_set_latency_callback");
    library.find(on_shutdown, "jack_on_shutdown");
    library.try_find(on_info_shutdown, "jack_on_info_shutdown");
    library.find(recompute_total_latencies, "jack_recompute_total_latencies");
    library.find(port_register, "jack_port_register");
    library.find(port_get_buffer, "jack_port_get_buffer");
    library.find(port_name, "jack_port_name");
    library.find(port_connected, "jack_port_connected");
    library.find(port_get_latency_range, "jack_port_get_latency_range");
    library.find(port_set_latency_range, "jack_port_set_latency_range");
    library.find(connect, "jack_connect");
    library.find(get_ports, "jack_get_ports");
    library.find(free, "jack_free");
    // The library writes to standard error, through the display, what the errors here say in words.
    void (*set_function)(void (*)(const char *));
    for (const char *name : {"jack_set_error_function", "jack_set_info_function"})
        if (library.try_find(set_function, name))
            set_function([](const char *) {});
}

JackPorts::JackPorts(const std::vector<std::string> &libraries, const std::string &name) : api_(libraries)
{
    int status = 0;
    client_ = api_.client_open(name.c_str(), no_start_server, &status);
    if (!client_) {
        if (status & failed_server)
            throw std::runtime_error("no server is running");
        if (status & version)
            throw std::runtime_error("the server and the library are of different versions");
        if (status & broken_server)
            throw std::runtime_error("the server does not answer as it should");
        throw std::runtime_error("the server takes no client (status " + std::to_string(status) + ")");
    }
    const auto end = [](int, const char *reason, void *self) {
        JackPorts &ports = *static_cast<JackPorts *>(self);
        std::strncpy(ports.reason_, reason ? reason : "", sizeof ports.reason_ - 1);
        ports.ended_.store(true);
    };
    if (api_.on_info_shutdown)
        api_.on_info_shutdown(client_, end, this);
    else
        api_.on_shutdown(client_, [](void *self) { static_cast<JackPorts *>(self)->ended_.store(true); }, this);
}

JackPorts::~JackPorts() { close(); }

void JackPorts::close()
{
    if (!client_)
        return;
    if (active_.load() && !ended_.load())
        api_.deactivate(client_);
    api_.client_close(client_);
    client_ = nullptr;
}

void JackPorts::ask_block(std::size_t block)
{
    if (api_.set_buffer_size(client_, static_cast<jack_nframes_t>(block)))
        throw std::runtime_error("the server does not take a block of " + std::to_string(block) + " samples");
}

int JackPorts::priority() const
{
    return api_.client_real_time_priority ? std::max(0, api_.client_real_time_priority(client_)) : 0;
}

std::string JackPorts::ended() const
{
    if (!ended_.load())
        return "";
    return *reason_ ? reason_ : "it ended, or dropped this client";
}

jack_port_t *JackPorts::add_port(const std::string &name, bool input)
{
    jack_port_t *port = api_.port_register(client_, name.c_str(), audio, input ? is_input : is_output, 0);
    if (!port)
        throw std::runtime_error("the server gives no port " + name);
    return port;
}

void JackPorts::activate()
{
    if (api_.activate(client_))
        throw std::runtime_error("the server does not activate the client");
    active_.store(true);
}

void JackPorts::connect(const std::string &from, const std::string &to)
{
    constexpr int exists = 17; // EEXIST, on every system with JACK
    const int error = api_.connect(client_, from.c_str(), to.c_str());
    if (error && error != exists)
        throw std::runtime_error("cannot connect " + from + " to " + to);
}

std::vector<std::string> JackPorts::hardware(bool sources)
{
    std::vector<std::string> names;
    const char **ports = api_.get_ports(client_, nullptr, audio, is_physical | (sources ? is_output : is_input));
    for (const char **port = ports; port && *port; port++)
        names.emplace_back(*port);
    if (ports)
        api_.free(ports);
    return names;
}

// --- the separator ------------------------------------------------------------------------------

JackClient::JackClient(const std::vector<std::string> &libraries, const std::string &name,
                       const std::vector<std::string> &stems, const std::vector<std::string> &inputs,
                       const std::vector<float> &weights)
    : JackPorts(libraries, name), callback_(stems.size(), sample_rate(), stems.size()),
      downmix_(weights, longest_block), channels_(inputs.size()), outs_(stems.size() + 1)
{
    block_.store(api_.get_buffer_size(client_));
    const char *const sides[] = {"left", "right"};
    for (const std::string &input : inputs)
        in_.push_back(add_port(input, true));
    for (std::size_t s = 0; s <= stems.size(); s++)
        for (const char *side : sides)
            out_.push_back(add_port((s < stems.size() ? stems[s] : std::string("mix")) + "_" + side, false));
    for (StreamOutput &out : outs_)
        out.stride = 1;
    api_.set_process_callback(
        client_, [](jack_nframes_t n, void *self) { return static_cast<JackClient *>(self)->process(n); }, this);
    api_.set_buffer_size_callback(
        client_,
        [](jack_nframes_t n, void *self) {
            static_cast<JackClient *>(self)->block_.store(n);
            return 0;
        },
        this);
    api_.set_xrun_callback(
        client_,
        [](void *self) {
            static_cast<JackClient *>(self)->callback_.xrun();
            return 0;
        },
        this);
    api_.set_latency_callback(
        client_, [](int mode, void *self) { static_cast<JackClient *>(self)->report_latency(mode); }, this);
}

JackClient::~JackClient()
{
    close();
    callback_.forget();
}

void JackClient::use(const LiveSource *source)
{
    callback_.use(source);
    const std::size_t latency = source ? source->latency : 0;
    if (latency_.exchange(latency) != latency && ended().empty())
        api_.recompute_total_latencies(client_);
}

int JackClient::process(jack_nframes_t count)
{
    for (std::size_t c = 0; c < in_.size(); c++)
        channels_[c] = static_cast<const float *>(api_.port_get_buffer(in_[c], count));
    for (std::size_t i = 0; i < out_.size(); i++)
        outs_[i / 2].channel[i % 2] = static_cast<float *>(api_.port_get_buffer(out_[i], count));
    callback_.run(downmix_.mix(channels_.data(), 1, count), outs_.data(), outs_.back(), count);
    return 0;
}

// Of the ports of one side: every second one, or, where any goes to both sides, all.
jack_latency_range_t JackClient::latency_through(const std::vector<jack_port_t *> &ports, int mode, std::size_t side,
                                                 bool connected)
{
    jack_latency_range_t range = {0, 0};
    bool any = false;
    const bool mixed = in_.size() != 2;
    for (std::size_t i = mixed ? 0 : side; i < ports.size(); i += mixed ? 1 : 2) {
        if (connected && api_.port_connected(ports[i]) <= 0)
            continue;
        jack_latency_range_t one = {0, 0};
        api_.port_get_latency_range(ports[i], mode, &one);
        range.min = any ? std::min(range.min, one.min) : one.min;
        range.max = std::max(range.max, one.max);
        any = true;
    }
    return range;
}

// Capture latency: what a sample has behind it, from the hardware to here; playback latency: what it has before it.
void JackClient::report_latency(int mode)
{
    const jack_nframes_t ours = static_cast<jack_nframes_t>(latency_.load());
    const std::vector<jack_port_t *> &from = mode == capture ? in_ : out_, &to = mode == capture ? out_ : in_;
    for (std::size_t i = 0; i < to.size(); i++) {
        jack_latency_range_t range = latency_through(from, mode, i % 2, mode == playback || in_.size() != 2);
        range.min += ours;
        range.max += ours;
        api_.port_set_latency_range(to[i], mode, &range);
    }
}

std::size_t JackClient::capture_latency()
{
    jack_latency_range_t range = {0, 0};
    api_.port_get_latency_range(out_[0], capture, &range);
    return range.max;
}

// --- tape ---------------------------------------------------------------------------------------

JackTape::JackTape(const std::vector<std::string> &libraries, const std::string &name, const float *music,
                   std::size_t frames, float *record, std::size_t record_channels, std::size_t record_frames)
    : JackPorts(libraries, name), music_(music), record_(record), frames_(frames), record_frames_(record_frames)
{
    for (std::size_t i = 0; i < (music ? 2 : 0); i++)
        out_.push_back(add_port("out_" + std::to_string(i + 1), false));
    for (std::size_t i = 0; i < record_channels; i++)
        in_.push_back(add_port("in_" + std::to_string(i + 1), true));
    api_.set_process_callback(
        client_, [](jack_nframes_t n, void *self) { return static_cast<JackTape *>(self)->process(n); }, this);
    api_.set_xrun_callback(
        client_,
        [](void *self) {
            static_cast<JackTape *>(self)->xruns_.fetch_add(1);
            return 0;
        },
        this);
}

int JackTape::process(jack_nframes_t count)
{
    const std::uint32_t now = api_.last_frame_time(client_);
    if (callbacks_.load() == 0)
        begun_.store(now);
    const std::size_t at = now - begun_.load();
    for (std::size_t c = 0; c < out_.size(); c++) {
        float *to = static_cast<float *>(api_.port_get_buffer(out_[c], count));
        for (std::size_t i = 0; i < count; i++)
            to[i] = music_[(at + i) % frames_ * 2 + c];
    }
    const std::size_t n = at < record_frames_ ? std::min<std::size_t>(count, record_frames_ - at) : 0;
    for (std::size_t c = 0; c < in_.size(); c++) {
        const float *from = static_cast<const float *>(api_.port_get_buffer(in_[c], count));
        for (std::size_t i = 0; i < n; i++)
            record_[(at + i) * in_.size() + c] = from[i];
    }
    const double time = seconds(), last = last_.exchange(time);
    if (last > 0 && time - last > worst_gap_.load())
        worst_gap_.store(time - last);
    callbacks_.fetch_add(1);
    return 0;
}

void JackTape::reset_stats()
{
    xruns_.store(0);
    worst_gap_.store(0);
}

} // namespace spleeterrt
