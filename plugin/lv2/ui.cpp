// The editor in LV2 hosts. It is told values by the host, as LV2 has it; where the host lets it see the plugin
// (instance-access) it shows levels and the model's name as well, and elsewhere what the ports of output say.
#include "features.h"
#include "instance.h"
#include "ports.h"

#include "editor/editor.h"

#include <lv2/core/lv2.h>
#include <lv2/instance-access/instance-access.h>
#include <lv2/parameters/parameters.h>
#include <lv2/ui/ui.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace spleeterrt::plugin::lv2 {
namespace {

class Ui final : public EditorHost {
public:
    Ui(const Product &product, LV2UI_Write_Function write, LV2UI_Controller controller,
       const LV2_Feature *const *features)
        : product_(product), ports_(product), write_(write), controller_(controller),
          touch_(feature<const LV2UI_Touch>(features, LV2_UI__touch)),
          resize_(feature<const LV2UI_Resize>(features, LV2_UI__resize)), shell_(nullptr), latency_(0),
          rate_(float_option(features, LV2_PARAMETERS__sampleRate, 0)),
          readings_(static_cast<std::size_t>(Ports::n_shown), 0)
    {
        if (const auto instance = feature<void>(features, LV2_INSTANCE_ACCESS_URI))
            shell_ = &shell_of(instance);
        for (const Parameter &parameter : ports_.parameters.all())
            values_.push_back(parameter.usual);
    }

    bool open(const LV2_Feature *const *features, LV2UI_Widget *widget)
    {
        editor_ = make_editor(*this, editor_api());
        if (!editor_)
            return false;
        const double scale = float_option(features, LV2_UI__scaleFactor, 0);
        if (scale > 0)
            editor_->set_scale(scale);
        if (!editor_->set_parent(reinterpret_cast<std::uintptr_t>(feature<void>(features, LV2_UI__parent))))
            return false;
        editor_->show();
        *widget = reinterpret_cast<LV2UI_Widget>(editor_->window());
        const Size size = editor_->size();
        if (resize_)
            resize_->ui_resize(resize_->handle, static_cast<int>(size.width), static_cast<int>(size.height));
        return true;
    }

    void port_event(std::uint32_t port, float value)
    {
        const auto first = static_cast<std::uint32_t>(ports_.first_parameter);
        const auto readout = static_cast<std::uint32_t>(ports_.first_readout);
        if (port >= first && port - first < values_.size())
            values_[port - first] = from_port(port - first, value);
        else if (port == static_cast<std::uint32_t>(ports_.latency))
            latency_ = value;
        else if (port >= readout && port - readout < readings_.size())
            readings_[port - readout] = value;
    }

    void idle() { editor_->idle(); }
    bool resize(int width, int height)
    {
        const Size wanted = {static_cast<std::uint32_t>(std::max(width, 1)),
                             static_cast<std::uint32_t>(std::max(height, 1))};
        return editor_->set_size(editor_->fitting(wanted));
    }

    // --- what the editor asks ---
    const Product &product() const override { return product_; }
    const Parameters &parameters() const override { return ports_.parameters; }
    double value(std::size_t parameter) const override { return values_[parameter]; }
    void begin_edit(std::size_t parameter) override { touch(parameter, true); }
    void edit(std::size_t parameter, double value) override
    {
        values_[parameter] = ports_.parameters[parameter].legal(value);
        const auto sent = static_cast<float>(from_port(parameter, values_[parameter]));
        write_(controller_, port_of(parameter), sizeof sent, 0, &sent);
    }
    void end_edit(std::size_t parameter) override { touch(parameter, false); }
    Status status() const override;
    float peak(int bus, int channel) override { return shell_ ? shell_->peak(bus, channel) : 0.0f; }

private:
    std::uint32_t port_of(std::size_t parameter) const
    {
        return static_cast<std::uint32_t>(ports_.first_parameter) + static_cast<std::uint32_t>(parameter);
    }
    // Bypass is the other way round there; so is the way back.
    double from_port(std::size_t parameter, double value) const
    {
        return ports_.parameters[parameter].kind == Kind::bypass ? (value > 0.5 ? 0 : 1) : value;
    }
    void touch(std::size_t parameter, bool held) const
    {
        if (touch_)
            touch_->touch(touch_->handle, port_of(parameter), held);
    }

    const Product &product_;
    const Ports ports_;
    LV2UI_Write_Function write_;
    LV2UI_Controller controller_;
    const LV2UI_Touch *touch_;
    const LV2UI_Resize *resize_;
    Shell *shell_;
    double latency_;    // samples
    const double rate_; // 0: the host does not say it
    std::vector<double> values_, readings_;
    std::unique_ptr<Editor> editor_;
};

Status Ui::status() const
{
    if (shell_)
        return shell_->status();
    Status status;
    for (int i = 0; i < Ports::n_shown; i++) {
        const double reading = readings_[static_cast<std::size_t>(i)];
        switch (Ports::shown[i]) {
        case read_status: status.phase = static_cast<Phase>(std::lround(reading)); break;
        case read_load: status.load = reading / 100; break;
        case read_late: status.late = static_cast<std::uint64_t>(reading); break;
        case read_concealed: status.concealed = static_cast<std::uint64_t>(reading); break;
        default: break;
        }
    }
    static const char *const words[] = {"Idle", "Loading the model", "", "No model", "The model cannot be used"};
    status.message = words[std::clamp(static_cast<int>(status.phase), 0, 4)];
    status.latency = rate_ > 0 ? latency_ / rate_ : 0;
    return status;
}

// --- what hosts call ---

Ui &of(LV2UI_Handle handle) { return *static_cast<Ui *>(handle); }

LV2UI_Handle instantiate(const LV2UI_Descriptor *, const char *plugin, const char *, LV2UI_Write_Function write,
                         LV2UI_Controller controller, LV2UI_Widget *widget, const LV2_Feature *const *features)
{
    for (const Product &product : products) {
        if (std::strcmp(product.uri, plugin) != 0)
            continue;
        auto ui = std::make_unique<Ui>(product, write, controller, features);
        if (ui->open(features, widget))
            return ui.release();
    }
    return nullptr;
}

void cleanup(LV2UI_Handle handle) { delete static_cast<Ui *>(handle); }

void port_event(LV2UI_Handle handle, std::uint32_t port, std::uint32_t size, std::uint32_t format, const void *value)
{
    if (format == 0 && size == sizeof(float))
        of(handle).port_event(port, *static_cast<const float *>(value));
}

const void *extension_data(const char *uri)
{
    static const LV2UI_Idle_Interface idle = {[](LV2UI_Handle handle) {
        of(handle).idle();
        return 0;
    }};
    static const LV2UI_Resize resize = {nullptr, [](LV2UI_Feature_Handle handle, int width, int height) {
                                            return of(handle).resize(width, height) ? 0 : 1;
                                        }};
    if (std::strcmp(uri, LV2_UI__idleInterface) == 0)
        return &idle;
    return std::strcmp(uri, LV2_UI__resize) == 0 ? &resize : nullptr;
}

} // namespace
} // namespace spleeterrt::plugin::lv2

LV2_SYMBOL_EXPORT const LV2UI_Descriptor *lv2ui_descriptor(uint32_t index)
{
    using namespace spleeterrt::plugin;
    static const LV2UI_Descriptor descriptor = {lv2::ui_uri, lv2::instantiate, lv2::cleanup, lv2::port_event,
                                                lv2::extension_data};
    return index == 0 && editor_api() ? &descriptor : nullptr;
}
