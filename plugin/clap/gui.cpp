// The editor in a host's window.
#include "clap/adapter.h"

#include <cstring>

namespace spleeterrt::plugin {

constexpr std::uint32_t timer_period = 33; // ms

bool Adapter::open_editor(const char *api)
{
    if (editor_ || !(editor_ = make_editor(*this, api)))
        return false;
    if (editor_->has_own_timer())
        return true;
    has_timer_ = host_timers_ && host_timers_->register_timer(host_, timer_period, &timer_);
    if (!has_timer_) // its window would stay empty
        editor_.reset();
    return has_timer_;
}

void Adapter::close_editor()
{
    if (has_timer_)
        host_timers_->unregister_timer(host_, timer_);
    has_timer_ = false;
    editor_.reset();
}

void Adapter::timer()
{
    if (editor_)
        editor_->idle();
}

namespace {

Editor *editor_of(const clap_plugin_t *plugin) { return Adapter::of(plugin).editor(); }

bool is_api_supported(const clap_plugin_t *, const char *api, bool is_floating)
{
    return !is_floating && api && editor_supports(api);
}

bool get_preferred_api(const clap_plugin_t *, const char **api, bool *is_floating)
{
    *api = editor_api();
    *is_floating = false;
    return *api != nullptr;
}

bool create(const clap_plugin_t *plugin, const char *api, bool is_floating)
{
    return is_api_supported(plugin, api, is_floating) && Adapter::of(plugin).open_editor(api);
}

void destroy(const clap_plugin_t *plugin) { Adapter::of(plugin).close_editor(); }

bool set_scale(const clap_plugin_t *plugin, double scale)
{
    return editor_of(plugin) && editor_of(plugin)->set_scale(scale);
}

bool get_size(const clap_plugin_t *plugin, uint32_t *width, uint32_t *height)
{
    if (!editor_of(plugin))
        return false;
    const Size size = editor_of(plugin)->size();
    *width = size.width;
    *height = size.height;
    return true;
}

bool can_resize(const clap_plugin_t *plugin) { return editor_of(plugin) && editor_of(plugin)->can_resize(); }

bool get_resize_hints(const clap_plugin_t *plugin, clap_gui_resize_hints_t *hints)
{
    if (!can_resize(plugin))
        return false;
    *hints = {};
    hints->can_resize_horizontally = hints->can_resize_vertically = true;
    return true;
}

bool adjust_size(const clap_plugin_t *plugin, uint32_t *width, uint32_t *height)
{
    if (!can_resize(plugin))
        return false;
    const Size size = editor_of(plugin)->fitting({*width, *height});
    *width = size.width;
    *height = size.height;
    return true;
}

bool set_size(const clap_plugin_t *plugin, uint32_t width, uint32_t height)
{
    return editor_of(plugin) && editor_of(plugin)->set_size({width, height});
}

bool set_parent(const clap_plugin_t *plugin, const clap_window_t *window)
{
    if (!editor_of(plugin) || !window || !editor_supports(window->api))
        return false;
    // The union's member of X11 is an unsigned long, the others are pointers.
    const std::uintptr_t handle = std::strcmp(window->api, CLAP_WINDOW_API_X11) == 0
                                      ? static_cast<std::uintptr_t>(window->x11)
                                      : reinterpret_cast<std::uintptr_t>(window->ptr);
    return editor_of(plugin)->set_parent(handle);
}

bool set_transient(const clap_plugin_t *, const clap_window_t *) { return false; } // never floats

void suggest_title(const clap_plugin_t *, const char *) {}

bool show(const clap_plugin_t *plugin)
{
    if (!editor_of(plugin))
        return false;
    editor_of(plugin)->show();
    return true;
}

bool hide(const clap_plugin_t *plugin)
{
    if (!editor_of(plugin))
        return false;
    editor_of(plugin)->hide();
    return true;
}

} // namespace

const clap_plugin_gui_t gui_extension = {is_api_supported, get_preferred_api, create,           destroy,     set_scale,
                                         get_size,         can_resize,        get_resize_hints, adjust_size, set_size,
                                         set_parent,       set_transient,     suggest_title,    show,        hide};

const clap_plugin_timer_support_t timer_extension = {
    [](const clap_plugin_t *plugin, clap_id) { Adapter::of(plugin).timer(); }};

} // namespace spleeterrt::plugin
