// What the plugin offers beside sound: ports, parameters, state, latency, tail, offline rendering, status.
#include "clap/extensions.h"

#include "clap/adapter.h"
#include "clap/ext/audio-ports.h"

#include <cstdio>
#include <cstring>

namespace spleeterrt::plugin {
namespace {

void copy(char *to, std::size_t size, const std::string &text) { std::snprintf(to, size, "%s", text.c_str()); }

// --- ports: one in; the mix and the stems out ----------------------------------------------------------

uint32_t port_count(const clap_plugin_t *plugin, bool is_input)
{
    return is_input ? 1 : static_cast<uint32_t>(buses(Adapter::of(plugin).product()));
}

bool port_info(const clap_plugin_t *plugin, uint32_t index, bool is_input, clap_audio_port_info_t *info)
{
    if (!info || index >= port_count(plugin, is_input))
        return false;
    *info = {};
    info->id = index;
    copy(info->name, sizeof info->name,
         is_input ? "Input" : bus_label(Adapter::of(plugin).product(), static_cast<int>(index)));
    info->flags = index == 0 ? CLAP_AUDIO_PORT_IS_MAIN : 0;
    info->channel_count = 2;
    info->port_type = CLAP_PORT_STEREO;
    info->in_place_pair = index == 0 ? 0 : CLAP_INVALID_ID;
    return true;
}

const clap_plugin_audio_ports_t audio_ports = {port_count, port_info};

// --- parameters -------------------------------------------------------------------------------------------

uint32_t parameter_count(const clap_plugin_t *plugin)
{
    return static_cast<uint32_t>(Adapter::of(plugin).parameters().size());
}

bool parameter_info(const clap_plugin_t *plugin, uint32_t index, clap_param_info_t *info)
{
    if (!info || index >= parameter_count(plugin))
        return false;
    const Parameter &p = Adapter::of(plugin).parameters()[index];
    *info = {};
    info->id = p.id;
    info->flags = CLAP_PARAM_IS_AUTOMATABLE | (p.stepped() ? CLAP_PARAM_IS_STEPPED : 0) |
                  (p.kind == Kind::bypass ? CLAP_PARAM_IS_BYPASS : 0);
    copy(info->name, sizeof info->name, p.name);
    copy(info->module, sizeof info->module, p.group);
    info->min_value = p.least;
    info->max_value = p.most;
    info->default_value = p.usual;
    return true;
}

bool parameter_value(const clap_plugin_t *plugin, clap_id id, double *value)
{
    const Adapter &adapter = Adapter::of(plugin);
    const std::size_t index = adapter.parameters().index_of(id);
    if (index == Parameters::none || !value)
        return false;
    *value = adapter.value(index);
    return true;
}

bool value_to_text(const clap_plugin_t *plugin, clap_id id, double value, char *display, uint32_t size)
{
    const Parameters &parameters = Adapter::of(plugin).parameters();
    const std::size_t index = parameters.index_of(id);
    if (index == Parameters::none || !display || size == 0)
        return false;
    copy(display, size, parameters.text(index, value));
    return true;
}

bool text_to_value(const clap_plugin_t *plugin, clap_id id, const char *display, double *value)
{
    const Parameters &parameters = Adapter::of(plugin).parameters();
    const std::size_t index = parameters.index_of(id);
    return index != Parameters::none && display && value && parameters.value(index, display, *value);
}

void flush(const clap_plugin_t *plugin, const clap_input_events_t *in, const clap_output_events_t *out)
{
    Adapter::of(plugin).flush(in, out);
}

const clap_plugin_params_t params = {parameter_count, parameter_info, parameter_value,
                                     value_to_text,   text_to_value,  flush};

// --- state, latency, tail, offline rendering ------------------------------------------------------------------

const clap_plugin_state_t state = {[](const clap_plugin_t *plugin, const clap_ostream_t *stream) {
                                       return stream && Adapter::of(plugin).save(*stream);
                                   },
                                   [](const clap_plugin_t *plugin, const clap_istream_t *stream) {
                                       return stream && Adapter::of(plugin).load(*stream);
                                   }};

const clap_plugin_latency_t latency = {
    [](const clap_plugin_t *plugin) { return Adapter::of(plugin).shell().latency(); }};

const TailExtension tail = {[](const clap_plugin_t *plugin) { return Adapter::of(plugin).shell().tail(); }};

const RenderExtension render = {[](const clap_plugin_t *) { return false; },
                                [](const clap_plugin_t *plugin, std::int32_t mode) {
                                    if (mode != render_realtime && mode != render_offline)
                                        return false;
                                    Adapter::of(plugin).shell().set_offline(mode == render_offline);
                                    return true;
                                }};

const StatusExtension status = {[](const clap_plugin_t *plugin, PluginStatus *out) {
    const Status now = Adapter::of(plugin).status();
    *out = {};
    out->phase = static_cast<std::int32_t>(now.phase);
    out->late_runs = now.late;
    out->concealed_frames = now.concealed;
    out->load = now.load;
    copy(out->model, sizeof out->model, now.model);
    copy(out->message, sizeof out->message, now.message);
}};

} // namespace

const void *extension_of(const char *name)
{
    const struct {
        const char *name;
        const void *extension;
    } all[] = {{CLAP_EXT_AUDIO_PORTS, &audio_ports}, {CLAP_EXT_PARAMS, &params}, {CLAP_EXT_STATE, &state},
               {CLAP_EXT_LATENCY, &latency},         {tail_extension, &tail},    {render_extension, &render},
               {status_extension, &status}};
    for (const auto &one : all)
        if (name && std::strcmp(name, one.name) == 0)
            return one.extension;
    if (!name || !editor_api())
        return nullptr;
    if (std::strcmp(name, CLAP_EXT_GUI) == 0)
        return &gui_extension;
    return std::strcmp(name, CLAP_EXT_TIMER_SUPPORT) == 0 ? &timer_extension : nullptr;
}

} // namespace spleeterrt::plugin
