#include "clap_host.h"

#include "watch.h"

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

using namespace spleeterrt::plugin;

namespace {

thread_local bool audio_thread = false;
const std::thread::id main_thread = std::this_thread::get_id();
std::atomic<int> failed{0};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

} // namespace

void check(bool good, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    std::printf("%s: ", good ? "ok" : "FAILED");
    std::vprintf(format, list);
    std::printf("\n");
    va_end(list);
    failed += !good;
}

int failures() { return failed; }

// --- the file ---------------------------------------------------------------------------------------------

Binary::Binary(const std::string &path) : library_(path)
{
    entry_ = library_.find<const clap_plugin_entry_t *>("clap_entry");
    if (!entry_ || !entry_->init(path.c_str()))
        throw std::runtime_error("clap_entry");
    factory_ = static_cast<const clap_plugin_factory_t *>(entry_->get_factory(CLAP_PLUGIN_FACTORY_ID));
}

Binary::~Binary() { entry_->deinit(); }

const char *Binary::id_of(int stems) const
{
    for (std::uint32_t i = 0; i < factory_->get_plugin_count(factory_); i++) {
        const char *id = factory_->get_plugin_descriptor(factory_, i)->id;
        if (std::strstr(id, (std::to_string(stems) + "stems").c_str()))
            return id;
    }
    std::printf("FAILED: no plugin of %d stems\n", stems);
    std::exit(2);
}

// --- what the plugin asks of the host --------------------------------------------------------------------

void Instance::expect_main()
{
    if (audio_thread || std::this_thread::get_id() != main_thread)
        wrong_threads++;
}

const void *Instance::host_extension(const clap_host_t *host, const char *name)
{
    static const clap_host_latency_t latency = {[](const clap_host_t *h) {
        of(h).expect_main();
        of(h).latency_told++;
    }};
    static const clap_host_params_t params = {
        [](const clap_host_t *h, clap_param_rescan_flags) {
            of(h).expect_main();
            of(h).rescans++;
        },
        [](const clap_host_t *h, clap_id, clap_param_clear_flags) { of(h).expect_main(); },
        [](const clap_host_t *h) { // not on the audio thread
            if (audio_thread)
                of(h).wrong_threads++;
        }};
    static const clap_host_state_t state = {[](const clap_host_t *h) { of(h).expect_main(); }};
    static const clap_host_thread_check_t threads = {
        [](const clap_host_t *) { return std::this_thread::get_id() == main_thread && !audio_thread; },
        [](const clap_host_t *) { return audio_thread; }};
    static const clap_host_timer_support_t timers = {[](const clap_host_t *h, std::uint32_t, clap_id *id) {
                                                         of(h).expect_main();
                                                         *id = 0;
                                                         return true;
                                                     },
                                                     [](const clap_host_t *h, clap_id) {
                                                         of(h).expect_main();
                                                         return true;
                                                     }};
    if (!of(host).with_extensions_)
        return nullptr;
    const struct {
        const char *name;
        const void *extension;
    } all[] = {{CLAP_EXT_LATENCY, &latency},
               {CLAP_EXT_PARAMS, &params},
               {CLAP_EXT_STATE, &state},
               {CLAP_EXT_THREAD_CHECK, &threads},
               {CLAP_EXT_TIMER_SUPPORT, &timers}};
    for (const auto &one : all)
        if (std::strcmp(name, one.name) == 0)
            return one.extension;
    return nullptr;
}

Instance::Instance(const Binary &binary, int stems, bool with_extensions) : with_extensions_(with_extensions)
{
    host_ = {CLAP_VERSION_INIT,
             this,
             "test host",
             "spleeterrt",
             "",
             "1",
             host_extension,
             [](const clap_host_t *h) { of(h).restarts++; },
             [](const clap_host_t *) {},
             [](const clap_host_t *) {}};
    plugin_ = binary.factory()->create_plugin(binary.factory(), &host_, binary.id_of(stems));
    if (!plugin_ || !plugin_->init(plugin_)) {
        std::printf("FAILED: no plugin\n");
        std::exit(2);
    }
    outputs_ = extension<clap_plugin_audio_ports_t>(CLAP_EXT_AUDIO_PORTS)->count(plugin_, false);
}

Instance::~Instance()
{
    if (active_)
        deactivate();
    plugin_->destroy(plugin_);
    check(wrong_threads == 0, "the host was called %d times on wrong threads", wrong_threads.load());
}

PluginStatus Instance::status() const
{
    PluginStatus status;
    extension<StatusExtension>(status_extension)->get(plugin_, &status);
    return status;
}

bool Instance::wait_until_loaded(double seconds) const
{
    for (const double begun = now(); now() < begun + seconds;) {
        if (status().phase > 1)
            return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
}

void Instance::set_offline(bool on) const
{
    extension<RenderExtension>(render_extension)->set(plugin_, on ? render_offline : render_realtime);
}

// --- parameters -------------------------------------------------------------------------------------------

clap_id Instance::id_of(const std::string &name) const
{
    for (std::uint32_t i = 0; i < params().count(plugin_); i++) {
        clap_param_info_t info;
        if (params().get_info(plugin_, i, &info) && name == info.name)
            return info.id;
    }
    std::printf("FAILED: no parameter %s\n", name.c_str());
    std::exit(2);
}

double Instance::value(const std::string &name) const
{
    double value = -1e9;
    params().get_value(plugin_, id_of(name), &value);
    return value;
}

void Instance::set(const std::string &name, double value) { set_at(0, name, value); }

void Instance::set_at(std::uint32_t time, const std::string &name, double value)
{
    clap_event_param_value_t event = {};
    event.header = {sizeof event, time, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, 0};
    event.param_id = id_of(name);
    event.note_id = event.port_index = event.channel = event.key = -1;
    event.value = value;
    events_.push_back(event);
}

namespace {

struct Lists {
    clap_input_events_t in;
    clap_output_events_t out;
    Lists(std::vector<clap_event_param_value_t> &events, Instance &instance)
    {
        in = {&events,
              [](const clap_input_events_t *list) {
                  return static_cast<std::uint32_t>(
                      static_cast<std::vector<clap_event_param_value_t> *>(list->ctx)->size());
              },
              [](const clap_input_events_t *list, std::uint32_t i) -> const clap_event_header_t * {
                  return &(*static_cast<std::vector<clap_event_param_value_t> *>(list->ctx))[i].header;
              }};
        out = {&instance, [](const clap_output_events_t *list, const clap_event_header_t *event) {
                   auto &gestures = static_cast<Instance *>(list->ctx)->gestures;
                   gestures.push_back(
                       {event->type, reinterpret_cast<const clap_event_param_gesture_t *>(event)->param_id});
                   return true;
               }};
    }
};

} // namespace

void Instance::flush()
{
    Lists lists(events_, *this);
    audio_thread = active_;
    params().flush(plugin_, &lists.in, &lists.out);
    audio_thread = false;
    events_.clear();
}

// --- sound --------------------------------------------------------------------------------------------------

bool Instance::activate(double rate, std::uint32_t most)
{
    rate_ = rate;
    most_ = most;
    steady_ = 0;
    return active_ = plugin_->activate(plugin_, rate, 1, most);
}

void Instance::deactivate()
{
    plugin_->deactivate(plugin_);
    active_ = false;
}

bool Instance::restart_if_asked()
{
    if (restarts.exchange(0) == 0)
        return false;
    deactivate();
    activate(rate_, most_);
    return true;
}

// A block, watched.
void Instance::give(const std::vector<float *> &input, const std::vector<float *> &output, std::uint32_t count)
{
    Lists lists(events_, *this);
    std::vector<float *> in = input, out = output;
    const clap_audio_buffer_t from = {in.data(), nullptr, 2, 0, 0};
    std::vector<clap_audio_buffer_t> to;
    for (std::size_t p = 0; p < outputs_; p++)
        to.push_back({out.data() + 2 * p, nullptr, 2, 0, 0});
    clap_process_t process = {};
    process.steady_time = steady_;
    process.frames_count = count;
    process.audio_inputs = &from;
    process.audio_outputs = to.data();
    process.audio_inputs_count = 1;
    process.audio_outputs_count = static_cast<std::uint32_t>(outputs_);
    process.in_events = &lists.in;
    process.out_events = &lists.out;
    const double begun = now();
    audio_thread = true;
    watch::begin();
    const clap_process_status status = plugin_->process(plugin_, &process);
    watch::end();
    audio_thread = false;
    worst_call = std::max(worst_call, now() - begun);
    if (status == CLAP_PROCESS_ERROR)
        check(false, "process");
    steady_ += count;
    events_.clear();
}

Channels Instance::run(const Channels &input, const Pace &pace)
{
    const std::size_t length = input[0].size();
    Channels output(2 * outputs_, std::vector<float>(length));
    audio_thread = true;
    const bool processing = plugin_->start_processing(plugin_);
    audio_thread = false;
    check(processing, "start_processing");
    Channels block = {{}, {}};
    const double begun = now();
    for (std::size_t at = 0, turn = 0; at < length; turn++) {
        const std::size_t n = std::min<std::size_t>(pace.blocks[turn % pace.blocks.size()], length - at);
        std::vector<float *> in, out;
        for (int c = 0; c < 2; c++) {
            const auto first = input[c].begin() + static_cast<std::ptrdiff_t>(at);
            block[c].assign(first, first + static_cast<std::ptrdiff_t>(n));
            in.push_back(block[c].data());
        }
        for (std::size_t c = 0; c < output.size(); c++)
            out.push_back(pace.in_place && c < 2 ? in[c] : output[c].data() + at);
        give(in, out, static_cast<std::uint32_t>(n));
        for (int c = 0; pace.in_place && c < 2; c++)
            std::copy(block[c].begin(), block[c].end(), output[c].begin() + static_cast<std::ptrdiff_t>(at));
        at += n;
        if (pace.speed > 0)
            while (now() < begun + static_cast<double>(at) / rate_ / pace.speed)
                std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    audio_thread = true;
    plugin_->stop_processing(plugin_);
    audio_thread = false;
    return output;
}

// --- state --------------------------------------------------------------------------------------------------

std::string Instance::save(std::size_t part) const
{
    struct Target {
        std::string text;
        std::size_t part;
    } target = {"", part};
    const clap_ostream_t stream = {&target, [](const clap_ostream_t *s, const void *bytes, std::uint64_t size) {
                                       Target &t = *static_cast<Target *>(s->ctx);
                                       const std::size_t n = std::min<std::size_t>(t.part, size);
                                       t.text.append(static_cast<const char *>(bytes), n);
                                       return static_cast<std::int64_t>(n);
                                   }};
    return extension<clap_plugin_state_t>(CLAP_EXT_STATE)->save(plugin_, &stream) ? target.text : "";
}

bool Instance::load(const std::string &state, std::size_t part) const
{
    struct Source {
        const std::string &text;
        std::size_t at, part;
    } source = {state, 0, part};
    const clap_istream_t stream = {&source, [](const clap_istream_t *s, void *bytes, std::uint64_t size) {
                                       Source &t = *static_cast<Source *>(s->ctx);
                                       const std::size_t n =
                                           std::min({t.part, std::size_t(size), t.text.size() - t.at});
                                       std::memcpy(bytes, t.text.data() + t.at, n);
                                       t.at += n;
                                       return static_cast<std::int64_t>(n);
                                   }};
    return extension<clap_plugin_state_t>(CLAP_EXT_STATE)->load(plugin_, &stream);
}
