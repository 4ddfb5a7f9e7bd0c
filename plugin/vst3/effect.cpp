#include "effect.h"

#include "bytes.h"

#include "module.h"

#include <algorithm>

namespace spleeterrt::plugin::vst3 {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

} // namespace

double normalised(const Parameter &parameter, double value)
{
    return (parameter.legal(value) - parameter.least) / (parameter.most - parameter.least);
}

double plain(const Parameter &parameter, double value)
{
    return parameter.legal(parameter.least + value * (parameter.most - parameter.least));
}

Effect::Effect(const Product &product)
    : ShellHost(own_shell_), own_shell_(product, LatencyChange::at_once, binary_path()),
      component_{component_table, this}, processor_{processor_table, this}, requirements_{requirements_table, this},
      controller_{controller_table, this}, units_{units_table, this}, shown_(own_shell_.parameters().size()),
      latency_told_(own_shell_.latency())
{
    for (auto &active : bus_active_)
        active.store(true, relaxed);
    outputs_told_.fill(-1);
    changes_.reserve(1024);
    show_all();
}

// --- object ---

Interface *Effect::query(const v3_tuid iid)
{
    const struct {
        const uint8_t *iid;
        Interface *interface;
    } known[] = {
        {v3_funknown_iid, &component_},
        {v3_plugin_base_iid, &component_},
        {v3_component_iid, &component_},
        {v3_audio_processor_iid, &processor_},
        {v3_process_context_requirements_iid, &requirements_},
        {v3_edit_controller_iid, &controller_},
        {v3_unit_information_iid, &units_},
    };
    for (const auto &entry : known)
        if (v3_tuid_match(entry.iid, iid))
            return entry.interface;
    return nullptr;
}

uint32_t Effect::release()
{
    const uint32_t left = drop();
    if (left == 0)
        delete this;
    return left;
}

v3_result Effect::initialise(v3_funknown **context)
{
    if (initialised_)
        return no;
    initialised_ = true;
    context_.reset(context);
    return ok;
}

v3_result Effect::terminate()
{
    if (shell_.active())
        shell_.deactivate(); // hosts ought to have done so
    handler_.reset();
    context_.reset();
    initialised_ = false;
    return ok;
}

// --- component ---

int32_t Effect::bus_count(int32_t media, int32_t direction) const
{
    if (media != V3_AUDIO)
        return 0;
    return direction == V3_INPUT ? 1 : direction == V3_OUTPUT ? buses(product()) : 0;
}

v3_result Effect::bus_info(int32_t media, int32_t direction, int32_t bus, v3_bus_info &info) const
{
    if (bus < 0 || bus >= bus_count(media, direction))
        return bad_argument;
    info = {};
    info.media_type = media;
    info.direction = direction;
    info.channel_count = 2;
    copy_text(info.bus_name, direction == V3_INPUT ? "Input" : bus_label(product(), bus));
    info.bus_type = bus == 0 ? V3_MAIN : V3_AUX;
    info.flags = V3_DEFAULT_ACTIVE;
    return ok;
}

v3_result Effect::activate_bus(int32_t media, int32_t direction, int32_t bus, bool active)
{
    if (bus < 0 || bus >= bus_count(media, direction))
        return bad_argument;
    if (direction == V3_OUTPUT) // an input that is off is silent by itself
        bus_active_[static_cast<std::size_t>(bus)].store(active, relaxed);
    return ok;
}

v3_result Effect::set_active(bool active)
{
    if (!initialised_)
        return not_initialised;
    if (active == shell_.active())
        return ok;
    heard_ = false;
    if (active)
        return shell_.activate(setup_.sample_rate, static_cast<uint32_t>(setup_.max_block_size)) ? ok : no_memory;
    shell_.deactivate();
    return ok;
}

v3_result Effect::load(v3_bstream **stream)
{
    std::string state;
    if (!stream)
        return bad_argument;
    if (!read_all(stream, state) || !shell_.load(state))
        return no;
    show_all();
    return ok;
}

v3_result Effect::save(v3_bstream **stream) const
{
    if (!stream)
        return bad_argument;
    return write_all(stream, shell_.save()) ? ok : internal_error;
}

// --- controller ---

void Effect::show(std::size_t parameter, double value)
{
    shown_[parameter].store(value, relaxed);
    if (!shell_.active()) // no block brings it
        shell_.set_value(parameter, value);
    tell_latency();
}

void Effect::show_all()
{
    for (std::size_t i = 0; i < shown_.size(); i++)
        shown_[i].store(shell_.value(i), relaxed);
}

void Effect::tell_latency()
{
    const uint32_t now = shell_.latency();
    if (latency_told_.exchange(now, relaxed) != now && handler_)
        v3_cpp_obj(handler_.get())->restart_component(handler_.get(), V3_RESTART_LATENCY_CHANGED);
}

// --- editor ---

void Effect::begin_edit(std::size_t parameter)
{
    if (handler_)
        v3_cpp_obj(handler_.get())->begin_edit(handler_.get(), parameters()[parameter].id);
}

void Effect::edit(std::size_t parameter, double value)
{
    const Parameter &p = parameters()[parameter];
    value = p.legal(value);
    shown_[parameter].store(value, relaxed);
    if (!handler_ || !shell_.active())
        shell_.set_value(parameter, value);
    if (handler_)
        v3_cpp_obj(handler_.get())->perform_edit(handler_.get(), p.id, normalised(p, value));
    tell_latency();
}

void Effect::end_edit(std::size_t parameter)
{
    if (handler_)
        v3_cpp_obj(handler_.get())->end_edit(handler_.get(), parameters()[parameter].id);
}

} // namespace spleeterrt::plugin::vst3
