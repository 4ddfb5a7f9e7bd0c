// lv2_window BUNDLE STEMS [alone] [RATE]: the plugin and its user interface inside a window, with noise that plays in
// time with the clock. Prints what the user interface tells the host, by symbols. alone: it does not see the plugin (no
// instance-access). Tests click in it with xdotool.
#include "lv2/ports.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <lv2/atom/atom.h>
#include <lv2/core/lv2.h>
#include <lv2/instance-access/instance-access.h>
#include <lv2/options/options.h>
#include <lv2/parameters/parameters.h>
#include <lv2/ui/ui.h>
#include <lv2/urid/urid.h>
#include <string>
#include <thread>
#include <vector>
#include <X11/Xlib.h>

using namespace spleeterrt::plugin;

namespace {

constexpr std::uint32_t block = 512;

[[noreturn]] void fail(const char *what)
{
    std::printf("FAILED: %s\n", what);
    std::exit(2);
}

// The plugin with all ports connected.
class Plugin {
public:
    Plugin(void *library, const Product &product, const std::string &bundle, double rate) : ports(product)
    {
        auto *find = reinterpret_cast<LV2_Descriptor_Function>(dlsym(library, "lv2_descriptor"));
        for (std::uint32_t i = 0; find && (descriptor_ = find(i)); i++)
            if (std::strcmp(descriptor_->URI, product.uri) == 0)
                break;
        const LV2_Feature *const none[] = {nullptr};
        handle = descriptor_ ? descriptor_->instantiate(descriptor_, rate, bundle.c_str(), none) : nullptr;
        if (!handle)
            fail("no plugin");
        buffers_.assign(static_cast<std::size_t>(ports.count), std::vector<float>(block));
        for (std::size_t i = 0; i < buffers_.size(); i++)
            descriptor_->connect_port(handle, static_cast<std::uint32_t>(i), buffers_[i].data());
        for (std::size_t i = 0; i < ports.parameters.size(); i++)
            value(ports.first_parameter + static_cast<int>(i)) = static_cast<float>(ports.parameters[i].usual);
        value(ports.first_parameter) = 1; // enabled
        for (std::size_t c = 0; c < 2; c++)
            for (std::size_t i = 0; i < block; i++)
                buffers_[c][i] = static_cast<float>((i * 7919 + c * 31) % 101) / 400 - 0.125f;
        descriptor_->activate(handle);
    }
    ~Plugin()
    {
        descriptor_->deactivate(handle);
        descriptor_->cleanup(handle);
    }
    float &value(int port) { return buffers_[static_cast<std::size_t>(port)][0]; }
    void run() { descriptor_->run(handle, block); }
    std::string symbol(std::uint32_t port) const
    {
        const auto first = static_cast<std::uint32_t>(ports.first_parameter);
        return port < first || port - first >= ports.parameters.size() ? "?" : ports.parameters[port - first].symbol;
    }

    const lv2::Ports ports;
    LV2_Handle handle = nullptr;

private:
    const LV2_Descriptor *descriptor_ = nullptr;
    std::vector<std::vector<float>> buffers_;
};

void write(LV2UI_Controller controller, std::uint32_t port, std::uint32_t, std::uint32_t, const void *data)
{
    auto &plugin = *static_cast<Plugin *>(controller);
    plugin.value(static_cast<int>(port)) = *static_cast<const float *>(data);
    std::printf("edit %s %.1f\n", plugin.symbol(port).c_str(), static_cast<double>(*static_cast<const float *>(data)));
    std::fflush(stdout);
}

void touch(LV2UI_Feature_Handle handle, std::uint32_t port, bool held)
{
    std::printf("%s %s\n", held ? "begin" : "end", static_cast<Plugin *>(handle)->symbol(port).c_str());
    std::fflush(stdout);
}

// The numbers of URIs are their places here.
LV2_URID number_of(LV2_URID_Map_Handle, const char *uri)
{
    static std::vector<std::string> all;
    for (std::size_t i = 0; i < all.size(); i++)
        if (all[i] == uri)
            return static_cast<LV2_URID>(i + 1);
    all.emplace_back(uri);
    return static_cast<LV2_URID>(all.size());
}

void run(Plugin &plugin, const LV2UI_Descriptor &ui, const char *uri, const char *bundle, bool alone, double rate)
{
    Display *display = XOpenDisplay(nullptr);
    if (!display)
        fail("no display");
    const Window window = XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, 800, 600, 0, 0, 0);
    XSelectInput(display, window, StructureNotifyMask);
    XMapWindow(display, window);
    XSync(display, False);
    LV2UI_Touch touching = {&plugin, touch};
    const LV2_Feature parent = {LV2_UI__parent, reinterpret_cast<void *>(window)}, touched = {LV2_UI__touch, &touching},
                      idling = {LV2_UI__idleInterface, nullptr}, access = {LV2_INSTANCE_ACCESS_URI, plugin.handle};
    LV2_URID_Map map = {nullptr, number_of};
    const auto said = static_cast<float>(rate);
    const LV2_Options_Option options[] = {{LV2_OPTIONS_INSTANCE, 0, number_of(nullptr, LV2_PARAMETERS__sampleRate),
                                           sizeof said, number_of(nullptr, LV2_ATOM__Float), &said},
                                          {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, nullptr}};
    const LV2_Feature mapped = {LV2_URID__map, &map},
                      optional = {LV2_OPTIONS__options, const_cast<LV2_Options_Option *>(options)};
    const LV2_Feature *const features[] = {&parent, &touched, &idling, &mapped, &optional, alone ? nullptr : &access,
                                           nullptr};
    LV2UI_Widget widget = nullptr;
    LV2UI_Handle handle = ui.instantiate(&ui, uri, bundle, write, &plugin, &widget, features);
    const auto *idle = static_cast<const LV2UI_Idle_Interface *>(ui.extension_data(LV2_UI__idleInterface));
    if (!handle || !widget || !idle)
        fail("no user interface");
    std::printf("shown %lu\n", window);
    std::fflush(stdout);
    auto due = std::chrono::steady_clock::now();
    for (bool open = true; open;) {
        plugin.run();
        for (int port = plugin.ports.first_parameter; port < plugin.ports.count; port++)
            ui.port_event(handle, static_cast<std::uint32_t>(port), sizeof(float), 0, &plugin.value(port));
        open = idle->idle(handle) == 0;
        while (XPending(display)) {
            XEvent event;
            XNextEvent(display, &event);
            open = open && event.type != DestroyNotify;
        }
        due += std::chrono::microseconds(static_cast<std::int64_t>(block * 1e6 / rate));
        std::this_thread::sleep_until(due);
    }
    ui.cleanup(handle);
}

} // namespace

int main(int count, char **words)
{
    const Product *product = count > 2 ? product_of_stems(std::atoi(words[2])) : nullptr;
    void *library = product ? dlopen((std::string(words[1]) + "/spleeterrt.so").c_str(), RTLD_NOW) : nullptr;
    if (!library)
        fail("usage: lv2_window BUNDLE STEMS [alone] [RATE]");
    const bool alone = count > 3 && std::strcmp(words[3], "alone") == 0;
    const double rate = count > 3 + alone ? std::atof(words[3 + alone]) : 44100;
    auto *find = reinterpret_cast<LV2UI_DescriptorFunction>(dlsym(library, "lv2ui_descriptor"));
    const LV2UI_Descriptor *ui = find ? find(0) : nullptr;
    if (!ui || std::strcmp(ui->URI, lv2::ui_uri) != 0 || find(1))
        fail("no user interface in the file");
    {
        Plugin plugin(library, *product, words[1], rate);
        run(plugin, *ui, product->uri, words[1], alone, rate);
    }
    std::printf("closed\n");
    return 0;
}
