// IUnitInfo of the VST3 plugin: the parameters of a stem are a group. There are no programs.
#include "effect.h"

namespace spleeterrt::plugin::vst3 {
namespace {

constexpr int32_t root = 0, no_parent = -1, no_programs = -1;

Effect &of(void *self) { return object_of<Effect>(self); }

int32_t V3_API get_unit_count(void *self) { return 1 + of(self).product().stems; }

v3_result V3_API get_unit_info(void *self, int32_t index, v3_unit_info *info)
{
    const Product &product = of(self).product();
    if (!info || index < 0 || index > product.stems)
        return bad_argument;
    *info = {};
    info->id = index;
    info->parent_unit_id = index == root ? no_parent : root;
    copy_text(info->name, index == root ? product.name : product.stem_labels[index - 1]);
    info->program_list_id = no_programs;
    return ok;
}

int32_t V3_API get_program_list_count(void *) { return 0; }
v3_result V3_API get_program_list_info(void *, int32_t, v3_program_list_info *) { return no; }
v3_result V3_API get_program_name(void *, int32_t, int32_t, v3_str_128) { return no; }
v3_result V3_API get_program_info(void *, int32_t, int32_t, const char *, v3_str_128) { return no; }
v3_result V3_API has_program_pitch_names(void *, int32_t, int32_t) { return no; }
v3_result V3_API get_program_pitch_name(void *, int32_t, int32_t, int16_t, v3_str_128) { return no; }
int32_t V3_API get_selected_unit(void *) { return root; }
v3_result V3_API select_unit(void *, int32_t) { return ok; }

v3_result V3_API get_unit_by_bus(void *self, int32_t media, int32_t direction, int32_t bus, int32_t, int32_t *unit)
{
    if (!unit || bus < 0 || bus >= of(self).bus_count(media, direction))
        return bad_argument;
    *unit = direction == V3_OUTPUT ? bus : root; // the mix is the plugin's
    return ok;
}

v3_result V3_API set_unit_program_data(void *, int32_t, int32_t, v3_bstream **) { return no; }

const v3_unit_information_cpp functions = {Unknown<Effect>::table,
                                           {get_unit_count, get_unit_info, get_program_list_count,
                                            get_program_list_info, get_program_name, get_program_info,
                                            has_program_pitch_names, get_program_pitch_name, get_selected_unit,
                                            select_unit, get_unit_by_bus, set_unit_program_data}};

} // namespace

const void *const units_table = &functions;

} // namespace spleeterrt::plugin::vst3
