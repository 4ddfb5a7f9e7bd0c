// clap_window FILE.clap STEMS SCALE [SONG]: the plugin with its editor inside a window, playing in time with the clock:
// noise, or SONG (raw float32, stereo, 44.1 kHz); "still": it does not play, and takes what the editor tells when the
// plugin asks for that, one event at a time. Prints what the editor tells the host. Tests click in it with xdotool.
#include "clap/entry.h"
#include "clap/ext/audio-ports.h"
#include "clap/ext/gui.h"
#include "clap/ext/params.h"
#include "clap/ext/timer-support.h"
#include "clap/plugin-factory.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <string>
#include <thread>
#include <vector>
#include <X11/Xlib.h>

namespace {

constexpr std::uint32_t block = 512;
constexpr double rate = 44100;
bool has_timer = false, wants_flush = false;
clap_id timer = 7;

[[noreturn]] void fail(const char *what)
{
    std::printf("FAILED: %s\n", what);
    std::exit(2);
}

const void *host_extension(const clap_host_t *, const char *name)
{
    static const clap_host_timer_support_t timers = {[](const clap_host_t *, std::uint32_t, clap_id *id) {
                                                         *id = timer;
                                                         return has_timer = true;
                                                     },
                                                     [](const clap_host_t *, clap_id id) {
                                                         has_timer = has_timer && id != timer;
                                                         return id == timer;
                                                     }};
    static const clap_host_params_t params = {[](const clap_host_t *, clap_param_rescan_flags) {},
                                              [](const clap_host_t *, clap_id, clap_param_clear_flags) {},
                                              [](const clap_host_t *) { wants_flush = true; }};
    if (std::strcmp(name, CLAP_EXT_PARAMS) == 0)
        return &params;
    return std::strcmp(name, CLAP_EXT_TIMER_SUPPORT) == 0 ? &timers : nullptr;
}

std::vector<float> sound_of(const char *file)
{
    std::vector<float> sound(2 * 44100);
    if (!file) {
        unsigned state = 1;
        for (float &sample : sound)
            sample = static_cast<float>(static_cast<int>(state = state * 1664525u + 1013904223u)) * 1e-10f;
        return sound;
    }
    std::ifstream in(file, std::ios::binary | std::ios::ate);
    sound.resize(static_cast<std::size_t>(in.tellg()) / sizeof(float));
    in.seekg(0);
    in.read(reinterpret_cast<char *>(sound.data()), static_cast<std::streamsize>(sound.size() * sizeof(float)));
    return sound;
}

// What comes out of the plugin, a line per event: gestures and values, by the parameter's name.
struct Session {
    const clap_plugin_t *plugin;
    const clap_plugin_params_t *params;
    bool still = false; // takes one event
    int taken = 0;

    std::string name_of(clap_id id) const
    {
        clap_param_info_t info;
        for (std::uint32_t i = 0; i < params->count(plugin); i++)
            if (params->get_info(plugin, i, &info) && info.id == id)
                return info.name;
        return "?";
    }
    static bool push(const clap_output_events_t *list, const clap_event_header_t *event)
    {
        auto &self = *static_cast<Session *>(list->ctx);
        if (self.still && self.taken++ > 0)
            return false;
        const auto *gesture = reinterpret_cast<const clap_event_param_gesture_t *>(event);
        const auto *value = reinterpret_cast<const clap_event_param_value_t *>(event);
        if (event->type == CLAP_EVENT_PARAM_GESTURE_BEGIN)
            std::printf("begin %s\n", self.name_of(gesture->param_id).c_str());
        if (event->type == CLAP_EVENT_PARAM_GESTURE_END)
            std::printf("end %s\n", self.name_of(gesture->param_id).c_str());
        if (event->type == CLAP_EVENT_PARAM_VALUE)
            std::printf("edit %s %.1f\n", self.name_of(value->param_id).c_str(), value->value);
        std::fflush(stdout);
        return true;
    }
};

const clap_input_events_t nothing = {
    nullptr, [](const clap_input_events_t *) { return 0u; },
    [](const clap_input_events_t *, std::uint32_t) -> const clap_event_header_t * { return nullptr; }};

void flush(Session &session)
{
    const clap_output_events_t out = {&session, Session::push};
    session.taken = 0;
    session.params->flush(session.plugin, &nothing, &out);
    wants_flush = session.taken > 1; // the rest the next time
}

class Sound {
public:
    Sound(const clap_plugin_t *plugin, const char *file) : plugin_(plugin), song_(sound_of(file))
    {
        const auto *ports =
            static_cast<const clap_plugin_audio_ports_t *>(plugin->get_extension(plugin, CLAP_EXT_AUDIO_PORTS));
        count_ = ports->count(plugin, false);
        buffers_.assign(2 * count_ + 2, std::vector<float>(block));
        for (auto &buffer : buffers_)
            pointers_.push_back(buffer.data());
        for (std::size_t port = 0; port <= count_; port++)
            ports_.push_back({&pointers_[2 * port], nullptr, 2, 0, 0});
    }

    void next(Session &session)
    {
        for (std::size_t i = 0; i < block; i++)
            for (std::size_t c = 0; c < 2; c++)
                buffers_[2 * count_ + c][i] = song_[at_++ % song_.size()];
        const clap_output_events_t out = {&session, Session::push};
        clap_process_t process = {};
        process.frames_count = block;
        process.audio_inputs = &ports_[count_];
        process.audio_inputs_count = 1;
        process.audio_outputs = ports_.data();
        process.audio_outputs_count = static_cast<std::uint32_t>(count_);
        process.in_events = &nothing;
        process.out_events = &out;
        if (plugin_->process(plugin_, &process) == CLAP_PROCESS_ERROR)
            fail("process");
    }

private:
    const clap_plugin_t *plugin_;
    std::vector<float> song_;
    std::size_t at_ = 0, count_ = 0;
    std::vector<std::vector<float>> buffers_;
    std::vector<float *> pointers_;
    std::vector<clap_audio_buffer_t> ports_; // the input last
};

void run(Session &session, const clap_plugin_gui_t &gui, const char *scale, const char *song)
{
    const clap_plugin_t *plugin = session.plugin;
    Display *display = XOpenDisplay(nullptr);
    if (!display || !gui.is_api_supported(plugin, CLAP_WINDOW_API_X11, false) ||
        !gui.create(plugin, CLAP_WINDOW_API_X11, false))
        fail("there is no editor");
    std::uint32_t width = 0, height = 0;
    if (!gui.set_scale(plugin, std::atof(scale)) || !gui.get_size(plugin, &width, &height))
        fail("the editor has no size");
    const Window window = XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, width, height, 0, 0, 0);
    XStoreName(display, window, "clap_window");
    XSelectInput(display, window, StructureNotifyMask);
    XMapWindow(display, window);
    XSync(display, False);
    clap_window_t parent = {};
    parent.api = CLAP_WINDOW_API_X11;
    parent.x11 = window;
    if (!gui.set_parent(plugin, &parent) || !gui.show(plugin) || !has_timer)
        fail("the editor does not go into the window");
    const auto *timers =
        static_cast<const clap_plugin_timer_support_t *>(plugin->get_extension(plugin, CLAP_EXT_TIMER_SUPPORT));
    std::printf("shown %lu %u %u\n", window, width, height);
    std::fflush(stdout);
    Sound sound(plugin, session.still ? nullptr : song);
    auto due = std::chrono::steady_clock::now();
    for (int i = 0;; i++) {
        if (!session.still)
            sound.next(session);
        else if (wants_flush)
            flush(session);
        if (i % 3 == 0)
            timers->on_timer(plugin, timer);
        while (XPending(display)) {
            XEvent event;
            XNextEvent(display, &event);
            if (event.type == DestroyNotify) {
                gui.destroy(plugin);
                return;
            }
        }
        due += std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * block / rate));
        std::this_thread::sleep_until(due);
    }
}

} // namespace

int main(int count, char **words)
{
    if (count < 4)
        fail("usage: clap_window FILE.clap STEMS SCALE [SONG]");
    void *library = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
    const auto *entry = library ? static_cast<const clap_plugin_entry_t *>(dlsym(library, "clap_entry")) : nullptr;
    if (!entry || !entry->init(words[1]))
        fail("no plugin in the file");
    const auto *factory = static_cast<const clap_plugin_factory_t *>(entry->get_factory(CLAP_PLUGIN_FACTORY_ID));
    const clap_host_t host = {CLAP_VERSION_INIT,
                              nullptr,
                              "clap_window",
                              "spleeterrt",
                              "",
                              "1",
                              host_extension,
                              [](const clap_host_t *) {},
                              [](const clap_host_t *) {},
                              [](const clap_host_t *) {}};
    const clap_plugin_t *plugin = nullptr;
    for (std::uint32_t i = 0; i < factory->get_plugin_count(factory); i++) {
        const char *id = factory->get_plugin_descriptor(factory, i)->id;
        if (std::strstr(id, (std::string(words[2]) + "stems").c_str()))
            plugin = factory->create_plugin(factory, &host, id);
    }
    const bool still = count > 4 && std::strcmp(words[4], "still") == 0;
    if (!plugin || !plugin->init(plugin))
        fail("no plugin");
    if (!still && (!plugin->activate(plugin, rate, 1, block) || !plugin->start_processing(plugin)))
        fail("the plugin does not start");
    Session session{plugin, static_cast<const clap_plugin_params_t *>(plugin->get_extension(plugin, CLAP_EXT_PARAMS)),
                    still};
    run(session, *static_cast<const clap_plugin_gui_t *>(plugin->get_extension(plugin, CLAP_EXT_GUI)), words[3],
        count > 4 ? words[4] : nullptr);
    if (!still) {
        plugin->stop_processing(plugin);
        plugin->deactivate(plugin);
    }
    plugin->destroy(plugin);
    std::printf(has_timer ? "FAILED: the timer is left\n" : "closed\n");
    entry->deinit();
    dlclose(library);
    return has_timer;
}
