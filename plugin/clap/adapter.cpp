#include "clap/adapter.h"

#include "clap/events.h"
#include "clap/process.h"
#include "shell/state.h"

#include <algorithm>
#include <cstring>

namespace spleeterrt::plugin {
namespace {

constexpr std::size_t most_changes = 256; // at a time

// A channel from a sample on; none, and no pointer into nowhere, where the host has none.
float *from(float *channel, std::uint32_t sample) { return channel ? channel + sample : nullptr; }

std::size_t parameter_of(const Parameters &parameters, const clap_event_header_t *event)
{
    if (event->space_id != CLAP_CORE_EVENT_SPACE_ID || event->type != CLAP_EVENT_PARAM_VALUE)
        return Parameters::none;
    return parameters.index_of(reinterpret_cast<const clap_event_param_value_t *>(event)->param_id);
}

double value_of(const clap_event_header_t *event)
{
    return reinterpret_cast<const clap_event_param_value_t *>(event)->value;
}

clap_plugin_t functions(const clap_plugin_descriptor_t &descriptor, Adapter *adapter)
{
    clap_plugin_t plugin = {};
    plugin.desc = &descriptor;
    plugin.plugin_data = adapter;
    plugin.init = [](const clap_plugin_t *p) { return Adapter::of(p).init(); };
    plugin.destroy = [](const clap_plugin_t *p) { delete &Adapter::of(p); };
    plugin.activate = [](const clap_plugin_t *p, double rate, uint32_t, uint32_t most) {
        return Adapter::of(p).activate(rate, most);
    };
    plugin.deactivate = [](const clap_plugin_t *p) { Adapter::of(p).deactivate(); };
    plugin.start_processing = [](const clap_plugin_t *p) { return Adapter::of(p).shell().active(); };
    plugin.stop_processing = [](const clap_plugin_t *) {};
    plugin.reset = [](const clap_plugin_t *p) { Adapter::of(p).shell().reset(); };
    plugin.process = [](const clap_plugin_t *p, const clap_process_t *process) {
        return Adapter::of(p).process(*process);
    };
    plugin.get_extension = [](const clap_plugin_t *, const char *name) { return extension_of(name); };
    plugin.on_main_thread = [](const clap_plugin_t *) {};
    return plugin;
}

} // namespace

Adapter::Adapter(const clap_host_t *host, const clap_plugin_descriptor_t &descriptor, const Product &product,
                 const std::string &binary)
    : ShellHost(shell_object_), shell_object_(product, LatencyChange::on_activation, binary),
      plugin_(functions(descriptor, this)), host_(host), told_latency_(shell_object_.latency())
{
}

Adapter::~Adapter() { close_editor(); }

bool Adapter::init()
{
    host_latency_ = extension<clap_host_latency_t>(CLAP_EXT_LATENCY);
    host_params_ = extension<clap_host_params_t>(CLAP_EXT_PARAMS);
    host_timers_ = extension<clap_host_timer_support_t>(CLAP_EXT_TIMER_SUPPORT);
    return true;
}

bool Adapter::activate(double rate, std::uint32_t most)
{
    if (!is_rate(rate) || !shell_.activate(rate, most))
        return false;
    restart_asked_.store(false);
    if (shell_.latency() != told_latency_ && host_latency_)
        host_latency_->changed(host_);
    told_latency_ = shell_.latency();
    return true;
}

void Adapter::deactivate() { shell_.deactivate(); }

void Adapter::ask_for_restart()
{
    if (!shell_.latency_pending())
        restart_asked_.store(false);
    else if (!restart_asked_.exchange(true))
        host_->request_restart(host_);
}

// --- sound ---------------------------------------------------------------------------------------------

clap_process_status Adapter::process(const clap_process_t &process)
{
    Change changes[most_changes];
    std::size_t count = 0;
    std::uint32_t begun = 0;
    const std::uint32_t events = process.in_events ? process.in_events->size(process.in_events) : 0;
    for (std::uint32_t i = 0; i < events; i++) {
        const clap_event_header_t *event = process.in_events->get(process.in_events, i);
        const std::size_t parameter = event ? parameter_of(parameters(), event) : Parameters::none;
        if (parameter == Parameters::none)
            continue;
        const std::uint32_t time = std::min(std::max(event->time, begun), process.frames_count);
        if (count == most_changes) {
            run(process, begun, time, changes, count);
            begun = time;
            count = 0;
        }
        changes[count++] = {time - begun, parameter, value_of(event)};
    }
    run(process, begun, process.frames_count, changes, count);
    give_edits(process.out_events);
    ask_for_restart();
    return CLAP_PROCESS_CONTINUE;
}

// The samples [begin, end) of the block.
void Adapter::run(const clap_process_t &process, std::uint32_t begin, std::uint32_t end, const Change *changes,
                  std::size_t count)
{
    const float *input[2] = {};
    if (process.audio_inputs_count > 0 && process.audio_inputs[0].data32)
        for (std::uint32_t c = 0; c < std::min<std::uint32_t>(2, process.audio_inputs[0].channel_count); c++)
            input[c] = from(process.audio_inputs[0].data32[c], begin);
    float *outputs[2 * (1 + most_stems)] = {};
    const std::uint32_t ports = std::min<std::uint32_t>(process.audio_outputs_count, buses(product()));
    for (std::uint32_t p = 0; p < ports; p++) {
        clap_audio_buffer_t &port = process.audio_outputs[p];
        port.constant_mask = 0;
        for (std::uint32_t c = 0; port.data32 && c < std::min<std::uint32_t>(2, port.channel_count); c++)
            outputs[2 * p + c] = from(port.data32[c], begin);
    }
    shell_.process(input, outputs, end - begin, changes, count);
}

// --- parameters ----------------------------------------------------------------------------------------

void Adapter::flush(const clap_input_events_t *in, const clap_output_events_t *out)
{
    const std::uint32_t events = in ? in->size(in) : 0;
    for (std::uint32_t i = 0; i < events; i++) {
        const clap_event_header_t *event = in->get(in, i);
        const std::size_t parameter = event ? parameter_of(parameters(), event) : Parameters::none;
        if (parameter != Parameters::none)
            shell_.set_value(parameter, value_of(event));
    }
    give_edits(out);
    ask_for_restart();
}

void Adapter::give_edits(const clap_output_events_t *out)
{
    while (const Edit *edit = edits_.first()) {
        if (out && !give(*edit, out))
            return; // the host takes no more now
        edits_.pop();
    }
}

bool Adapter::give(const Edit &edit, const clap_output_events_t *out) const
{
    const clap_id id = parameters()[edit.parameter].id;
    if (edit.what == Edit::value) {
        clap_event_param_value_t event = {};
        event.header = {sizeof event, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, CLAP_EVENT_IS_LIVE};
        event.param_id = id;
        event.note_id = event.port_index = event.channel = event.key = -1;
        event.value = edit.to;
        return out->try_push(out, &event.header);
    }
    const std::uint16_t type = edit.what == Edit::begin ? CLAP_EVENT_PARAM_GESTURE_BEGIN : CLAP_EVENT_PARAM_GESTURE_END;
    clap_event_param_gesture_t event = {};
    event.header = {sizeof event, 0, CLAP_CORE_EVENT_SPACE_ID, type, CLAP_EVENT_IS_LIVE};
    event.param_id = id;
    return out->try_push(out, &event.header);
}

void Adapter::take(const Edit &edit)
{
    edits_.push(edit);
    if (host_params_)
        host_params_->request_flush(host_);
    else
        host_->request_process(host_);
}

void Adapter::begin_edit(std::size_t parameter) { take({Edit::begin, parameter, 0}); }
void Adapter::end_edit(std::size_t parameter) { take({Edit::end, parameter, 0}); }

void Adapter::edit(std::size_t parameter, double value)
{
    value = parameters()[parameter].legal(value);
    shell_.set_value(parameter, value);
    take({Edit::value, parameter, value});
    ask_for_restart();
}

// --- state -----------------------------------------------------------------------------------------------

bool Adapter::save(const clap_ostream_t &stream) const
{
    const std::string text = shell_.save();
    for (std::size_t done = 0; done < text.size();) {
        const std::int64_t wrote = stream.write(&stream, text.data() + done, text.size() - done);
        if (wrote <= 0)
            return false;
        done += static_cast<std::size_t>(wrote);
    }
    return true;
}

bool Adapter::load(const clap_istream_t &stream)
{
    std::string text;
    char part[4096];
    for (;;) {
        const std::int64_t got = stream.read(&stream, part, sizeof part);
        if (got < 0 || text.size() > most_state)
            return false;
        if (got == 0)
            break;
        text.append(part, static_cast<std::size_t>(got));
    }
    if (!shell_.load(text))
        return false;
    if (host_params_)
        host_params_->rescan(host_, CLAP_PARAM_RESCAN_VALUES);
    ask_for_restart();
    return true;
}

} // namespace spleeterrt::plugin
