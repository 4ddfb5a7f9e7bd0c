// IEditController of the VST3 plugin: the list of parameters, their values for show, text both ways. Behind the
// parameters come the readouts, which can only be read.
#include "view.h"

#include <algorithm>
#include <cmath>

namespace spleeterrt::plugin::vst3 {
namespace {

Effect &of(void *self) { return object_of<Effect>(self); }

// What an identifier stands for: a parameter, a readout, or (both none) nothing.
struct Place {
    std::size_t parameter, readout;
    static constexpr std::size_t none = Parameters::none;
};

Place place_of(const Effect &effect, v3_param_id id)
{
    for (std::size_t i = 0; i < n_readouts; i++)
        if (readouts[i].id == id)
            return {Place::none, i};
    return {effect.parameters().index_of(id), Place::none};
}

std::string readout_text(const Readout &readout, double value)
{
    if (readout.choices[0])
        return readout.choices[static_cast<std::size_t>(std::lround(value))];
    const std::string number = number_text(value, readout.whole ? 0 : 1);
    return *readout.unit ? number + " " + readout.unit : number;
}

double readout_plain(const Readout &readout, double value)
{
    const double inside = std::clamp(std::isfinite(value) ? value : 0.0, 0.0, 1.0) * readout.most;
    return readout.whole ? std::round(inside) : inside;
}

void describe(const Parameter &p, v3_param_info &info)
{
    info.param_id = p.id;
    copy_text(info.title, p.name);
    copy_text(info.short_title, p.name);
    copy_text(info.units, p.unit);
    info.step_count = p.stepped() ? static_cast<int32_t>(p.choices.size()) - 1 : 0;
    info.default_normalised_value = normalised(p, p.usual);
    info.unit_id = p.stem + 1;
    info.flags = V3_PARAM_CAN_AUTOMATE;
    if (p.kind == Kind::bypass)
        info.flags |= V3_PARAM_IS_BYPASS;
    else if (p.stepped() && !p.is_switch())
        info.flags |= V3_PARAM_IS_LIST;
}

void describe(const Readout &readout, v3_param_info &info)
{
    info.param_id = readout.id;
    copy_text(info.title, readout.name);
    copy_text(info.short_title, readout.name);
    copy_text(info.units, readout.unit);
    info.step_count = readout.choices[0] ? static_cast<int32_t>(readout.most) : 0;
    info.flags = V3_PARAM_READ_ONLY | (readout.choices[0] ? V3_PARAM_IS_LIST : 0);
}

v3_result V3_API initialise(void *self, v3_funknown **context) { return of(self).initialise(context); }
v3_result V3_API terminate(void *self) { return of(self).terminate(); }

// One object: what the component has loaded is here already.
v3_result V3_API set_component_state(void *self, v3_bstream **stream)
{
    if (!stream)
        return bad_argument;
    of(self).show_all();
    return ok;
}

// The controller has no state of its own.
v3_result V3_API set_state(void *, v3_bstream **) { return not_implemented; }
v3_result V3_API get_state(void *, v3_bstream **) { return not_implemented; }

int32_t V3_API get_parameter_count(void *self)
{
    return static_cast<int32_t>(of(self).parameters().size() + n_readouts);
}

v3_result V3_API get_parameter_info(void *self, int32_t index, v3_param_info *info)
{
    const Parameters &parameters = of(self).parameters();
    const auto at = static_cast<std::size_t>(index);
    if (!info || index < 0 || at >= parameters.size() + n_readouts)
        return bad_argument;
    *info = {};
    if (at < parameters.size())
        describe(parameters[at], *info);
    else
        describe(readouts[at - parameters.size()], *info);
    return ok;
}

v3_result V3_API get_parameter_string_for_value(void *self, v3_param_id id, double value, v3_str_128 output)
{
    const Effect &effect = of(self);
    const Place place = place_of(effect, id);
    if (!output)
        return bad_argument;
    if (place.readout != Place::none)
        copy_text(output, 128, readout_text(readouts[place.readout], readout_plain(readouts[place.readout], value)));
    else if (place.parameter != Place::none)
        copy_text(output, 128,
                  effect.parameters().text(place.parameter, plain(effect.parameters()[place.parameter], value)));
    else
        return bad_argument;
    return ok;
}

v3_result V3_API get_parameter_value_for_string(void *self, v3_param_id id, int16_t *input, double *output)
{
    const Parameters &parameters = of(self).parameters();
    const std::size_t index = parameters.index_of(id);
    double value = 0;
    if (!input || !output || index == Parameters::none)
        return bad_argument;
    if (!parameters.value(index, from_utf16(input, 128), value))
        return no;
    *output = normalised(parameters[index], value);
    return ok;
}

double V3_API normalised_parameter_to_plain(void *self, v3_param_id id, double value)
{
    const Effect &effect = of(self);
    const Place place = place_of(effect, id);
    if (place.readout != Place::none)
        return readout_plain(readouts[place.readout], value);
    return place.parameter == Place::none ? value : plain(effect.parameters()[place.parameter], value);
}

double V3_API plain_parameter_to_normalised(void *self, v3_param_id id, double value)
{
    const Effect &effect = of(self);
    const Place place = place_of(effect, id);
    if (place.readout != Place::none)
        return std::clamp(value / readouts[place.readout].most, 0.0, 1.0);
    return place.parameter == Place::none ? value : normalised(effect.parameters()[place.parameter], value);
}

double V3_API get_parameter_normalised(void *self, v3_param_id id)
{
    const Effect &effect = of(self);
    const Place place = place_of(effect, id);
    if (place.readout != Place::none)
        return effect.readout(place.readout) / readouts[place.readout].most;
    if (place.parameter == Place::none)
        return 0;
    return normalised(effect.parameters()[place.parameter], effect.shown(place.parameter));
}

v3_result V3_API set_parameter_normalised(void *self, v3_param_id id, double value)
{
    Effect &effect = of(self);
    const Place place = place_of(effect, id);
    if (place.readout != Place::none)
        effect.tell_latency(); // what the plugin said itself in a block: the host's main thread is here
    else if (place.parameter != Place::none)
        effect.show(place.parameter, plain(effect.parameters()[place.parameter], value));
    else
        return bad_argument;
    return ok;
}

v3_result V3_API set_component_handler(void *self, v3_component_handler **handler)
{
    of(self).set_handler(handler);
    return ok;
}

v3_plugin_view **V3_API create_view(void *self, const char *name)
{
    return name && std::strcmp(name, "editor") == 0 ? make_view(of(self)) : nullptr;
}

const v3_edit_controller_cpp functions = {
    Unknown<Effect>::table,
    {initialise, terminate},
    {set_component_state, set_state, get_state, get_parameter_count, get_parameter_info, get_parameter_string_for_value,
     get_parameter_value_for_string, normalised_parameter_to_plain, plain_parameter_to_normalised,
     get_parameter_normalised, set_parameter_normalised, set_component_handler, create_view}};

} // namespace

const void *const controller_table = &functions;

} // namespace spleeterrt::plugin::vst3
