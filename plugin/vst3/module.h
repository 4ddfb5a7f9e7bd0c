// The file that holds this code.
#ifndef SPLEETERRT_PLUGIN_VST3_MODULE_H
#define SPLEETERRT_PLUGIN_VST3_MODULE_H

#include <string>

namespace spleeterrt::plugin::vst3 {

std::string binary_path(); // UTF-8; "": unknown

} // namespace spleeterrt::plugin::vst3

#endif
