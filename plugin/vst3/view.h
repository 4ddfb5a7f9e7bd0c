// IPlugView of the VST3 plugin: the editor in a host's window.
#ifndef SPLEETERRT_PLUGIN_VST3_VIEW_H
#define SPLEETERRT_PLUGIN_VST3_VIEW_H

#include "effect.h"

#include <travesty/view.h>

namespace spleeterrt::plugin::vst3 {

v3_plugin_view **make_view(Effect &effect); // nullptr: there is no editor here

} // namespace spleeterrt::plugin::vst3

#endif
