// The plugins in Turtle, the language of LV2's descriptions.
#ifndef SPLEETERRT_PLUGIN_LV2_TURTLE_H
#define SPLEETERRT_PLUGIN_LV2_TURTLE_H

#include "ports.h"

#include <string>

namespace spleeterrt::plugin::lv2 {

std::string file_of(const Product &product); // "4stems.ttl"
std::string manifest(const std::string &binary, const std::string &ui);
std::string description(const Product &product, const std::string &version, bool with_ui);

} // namespace spleeterrt::plugin::lv2

#endif
