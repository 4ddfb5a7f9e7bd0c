// What a host offers.
#ifndef SPLEETERRT_PLUGIN_LV2_FEATURES_H
#define SPLEETERRT_PLUGIN_LV2_FEATURES_H

#include <lv2/atom/atom.h>
#include <lv2/core/lv2.h>
#include <lv2/options/options.h>
#include <lv2/urid/urid.h>

#include <cstring>

namespace spleeterrt::plugin::lv2 {

// nullptr: the host does not have it.
template <typename Data> Data *feature(const LV2_Feature *const *features, const char *uri)
{
    for (; features && *features; features++)
        if (std::strcmp((*features)->URI, uri) == 0)
            return static_cast<Data *>((*features)->data);
    return nullptr;
}

// An option of the host's that is a float; `missing`: it says nothing of it.
inline double float_option(const LV2_Feature *const *features, const char *uri, double missing)
{
    const auto *map = feature<const LV2_URID_Map>(features, LV2_URID__map);
    const auto *option = feature<const LV2_Options_Option>(features, LV2_OPTIONS__options);
    if (!map)
        return missing;
    const LV2_URID key = map->map(map->handle, uri), type = map->map(map->handle, LV2_ATOM__Float);
    for (; option && (option->key || option->value); option++)
        if (option->key == key && option->type == type && option->size == sizeof(float) && option->value)
            return *static_cast<const float *>(option->value);
    return missing;
}

} // namespace spleeterrt::plugin::lv2

#endif
