// What the user interface sees of a plugin in the same process.
#ifndef SPLEETERRT_PLUGIN_LV2_INSTANCE_H
#define SPLEETERRT_PLUGIN_LV2_INSTANCE_H

#include "shell/shell.h"

namespace spleeterrt::plugin::lv2 {

Shell &shell_of(void *handle); // of an LV2_Handle

} // namespace spleeterrt::plugin::lv2

#endif
