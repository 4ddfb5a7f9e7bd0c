// The list of classes: one per number of stems.
#ifndef SPLEETERRT_PLUGIN_VST3_FACTORY_H
#define SPLEETERRT_PLUGIN_VST3_FACTORY_H

namespace spleeterrt::plugin::vst3 {

void *factory(); // the module's v3_plugin_factory, with one more reference

} // namespace spleeterrt::plugin::vst3

#endif
