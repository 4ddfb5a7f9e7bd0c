// IComponent of the VST3 plugin: buses, activation, state.
#include "effect.h"

namespace spleeterrt::plugin::vst3 {
namespace {

Effect &of(void *self) { return object_of<Effect>(self); }

v3_result V3_API initialise(void *self, v3_funknown **context) { return of(self).initialise(context); }
v3_result V3_API terminate(void *self) { return of(self).terminate(); }

// The component is its own controller.
v3_result V3_API get_controller_class_id(void *, v3_tuid id)
{
    if (!id)
        return bad_argument;
    std::memset(id, 0, sizeof(v3_tuid));
    return no;
}

v3_result V3_API set_io_mode(void *, int32_t) { return not_implemented; }

int32_t V3_API get_bus_count(void *self, int32_t media, int32_t direction)
{
    return of(self).bus_count(media, direction);
}

v3_result V3_API get_bus_info(void *self, int32_t media, int32_t direction, int32_t bus, v3_bus_info *info)
{
    return info ? of(self).bus_info(media, direction, bus, *info) : bad_argument;
}

// The one input goes to the mix first of all.
v3_result V3_API get_routing_info(void *, v3_routing_info *input, v3_routing_info *output)
{
    if (!input || !output || input->media_type != V3_AUDIO || input->bus_idx != 0)
        return bad_argument;
    *output = {V3_AUDIO, 0, input->channel};
    return ok;
}

v3_result V3_API activate_bus(void *self, int32_t media, int32_t direction, int32_t bus, v3_bool state)
{
    return of(self).activate_bus(media, direction, bus, state);
}

v3_result V3_API set_active(void *self, v3_bool state) { return of(self).set_active(state); }
v3_result V3_API set_state(void *self, v3_bstream **stream) { return of(self).load(stream); }
v3_result V3_API get_state(void *self, v3_bstream **stream) { return of(self).save(stream); }

const v3_component_cpp functions = {Unknown<Effect>::table,
                                    {initialise, terminate},
                                    {get_controller_class_id, set_io_mode, get_bus_count, get_bus_info,
                                     get_routing_info, activate_bus, set_active, set_state, get_state}};

} // namespace

const void *const component_table = &functions;

} // namespace spleeterrt::plugin::vst3
