// The half of EditorHost that is the same in every format whose editor lives in the plugin's process.
#ifndef SPLEETERRT_PLUGIN_SHELL_HOST_H
#define SPLEETERRT_PLUGIN_SHELL_HOST_H

#include "editor/editor.h"

namespace spleeterrt::plugin {

class ShellHost : public EditorHost {
public:
    explicit ShellHost(Shell &shell) : shell_(shell) {}

    const Product &product() const override { return shell_.product(); }
    const Parameters &parameters() const override { return shell_.parameters(); }
    double value(std::size_t parameter) const override { return shell_.value(parameter); }
    Status status() const override { return shell_.status(); }
    float peak(int bus, int channel) override { return shell_.peak(bus, channel); }

protected:
    ~ShellHost() = default;

    Shell &shell_;
};

} // namespace spleeterrt::plugin

#endif
