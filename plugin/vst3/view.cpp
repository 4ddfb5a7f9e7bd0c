#include "view.h"

#include "editor/editor.h"

#include <cmath>
#include <new>

namespace spleeterrt::plugin::vst3 {
namespace {

constexpr uint64_t tick = 33; // ms

// The name that editors know a platform by; nullptr: none.
const char *api_of(const char *platform)
{
    const struct {
        const char *platform, *api;
    } known[] = {{V3_VIEW_PLATFORM_TYPE_X11, api_x11},
                 {V3_VIEW_PLATFORM_TYPE_HWND, api_win32},
                 {V3_VIEW_PLATFORM_TYPE_NSVIEW, api_cocoa}};
    for (const auto &entry : known)
        if (platform && std::strcmp(platform, entry.platform) == 0 && editor_supports(entry.api))
            return entry.api;
    return nullptr;
}

// What VST3's numbers of keys mean here.
editor::Key key_of(int16_t code)
{
    using editor::Key;
    switch (code) {
    case 1:
    case 22: return Key::remove;
    case 2: return Key::tab;
    case 4:
    case 19: return Key::enter;
    case 6: return Key::escape;
    case 9: return Key::end;
    case 10: return Key::home;
    case 11: return Key::left;
    case 12: return Key::up;
    case 13: return Key::right;
    case 14: return Key::down;
    case 15: return Key::page_up;
    case 16: return Key::page_down;
    default: return Key::none;
    }
}

editor::Modifiers modifiers_of(int16_t modifiers)
{
    const int shift = 1, control = 4; // the latter is VST3's "command"
    return {(modifiers & shift) != 0, (modifiers & control) != 0};
}

template <typename Functions> struct Table : v3_funknown {
    Functions functions;
};

// On Linux the host's frame has the timer, elsewhere the editor brings its own.
class View : public Counted {
public:
    explicit View(Effect &effect);
    Interface *query(const v3_tuid iid);
    uint32_t release();

    v3_result attach(void *parent, const char *platform);
    v3_result detach();
    v3_result size(v3_view_rect &rect);
    v3_result resize(const v3_view_rect &rect);
    v3_result fit(v3_view_rect &rect);
    v3_result scale(float factor);
    bool resizable() { return sized() && editor_->can_resize(); }
    v3_result key(int16_t code, int16_t modifiers)
    {
        return attached_ && editor_->key(key_of(code), modifiers_of(modifiers)) ? ok : no;
    }
    void set_frame(v3_plugin_frame **frame) { frame_.reset(frame); }
    void idle();

private:
    ~View()
    {
        detach();
        effect_.release();
    }
    bool sized(); // an editor is there, whose size can be asked for before it has a window
    void listen();

    Effect &effect_;
    Interface view_, scale_, timer_, events_;
    Held<v3_plugin_frame> frame_;
    Held<v3_run_loop> loop_;
    std::unique_ptr<Editor> editor_;
    bool attached_ = false, listening_ = false;
    double factor_ = 0; // 0: the host has said nothing, the editor asks the system
};

bool View::sized()
{
    if (!editor_ && editor_api()) {
        editor_ = make_editor(effect_, editor_api());
        if (editor_ && factor_ > 0)
            editor_->set_scale(factor_);
    }
    return editor_ != nullptr;
}

v3_result View::attach(void *parent, const char *platform)
{
    const char *api = api_of(platform);
    if (!api || !parent)
        return bad_argument;
    if (attached_ || !sized() || !editor_->set_parent(reinterpret_cast<uintptr_t>(parent)))
        return no;
    attached_ = true;
    listen();
    editor_->show();
    return ok;
}

void View::listen()
{
    if (editor_->has_own_timer())
        return;
    loop_.query(frame_.get(), v3_run_loop_iid);
    if (!loop_)
        loop_.query(effect_.context(), v3_run_loop_iid);
    if (!loop_)
        return;
    auto **timer = reinterpret_cast<v3_timer_handler **>(&timer_);
    v3_cpp_obj(loop_.get())->register_timer(loop_.get(), timer, tick);
    listening_ = editor_->descriptor() >= 0;
    if (listening_)
        v3_cpp_obj(loop_.get())
            ->register_event_handler(loop_.get(), reinterpret_cast<v3_event_handler **>(&events_),
                                     editor_->descriptor());
}

v3_result View::detach()
{
    if (!attached_)
        return no;
    if (loop_) {
        v3_cpp_obj(loop_.get())->unregister_timer(loop_.get(), reinterpret_cast<v3_timer_handler **>(&timer_));
        if (listening_)
            v3_cpp_obj(loop_.get())
                ->unregister_event_handler(loop_.get(), reinterpret_cast<v3_event_handler **>(&events_));
    }
    loop_.reset();
    listening_ = attached_ = false;
    editor_.reset();
    return ok;
}

void View::idle()
{
    if (attached_)
        editor_->idle();
    effect_.tell_latency();
}

v3_result View::size(v3_view_rect &rect)
{
    if (!sized())
        return no;
    const Size now = editor_->size();
    rect = {0, 0, static_cast<int32_t>(now.width), static_cast<int32_t>(now.height)};
    return ok;
}

Size size_of(const v3_view_rect &rect)
{
    return {static_cast<uint32_t>(std::max(rect.right - rect.left, 1)),
            static_cast<uint32_t>(std::max(rect.bottom - rect.top, 1))};
}

v3_result View::resize(const v3_view_rect &rect) { return sized() && editor_->set_size(size_of(rect)) ? ok : no; }

v3_result View::fit(v3_view_rect &rect)
{
    if (!sized())
        return no;
    const Size fitting = editor_->fitting(size_of(rect));
    rect.right = rect.left + static_cast<int32_t>(fitting.width);
    rect.bottom = rect.top + static_cast<int32_t>(fitting.height);
    return ok;
}

v3_result View::scale(float factor)
{
    if (!(factor > 0) || !std::isfinite(factor))
        return bad_argument;
    if (attached_)
        return no;
    factor_ = factor;
    return sized() && editor_->set_scale(factor_) ? ok : no;
}

uint32_t View::release()
{
    const uint32_t left = drop();
    if (left == 0)
        delete this;
    return left;
}

// --- tables ---

View &of(void *self) { return object_of<View>(self); }

v3_result V3_API is_platform_type_supported(void *, const char *platform) { return api_of(platform) ? ok : no; }
v3_result V3_API attached(void *self, void *parent, const char *platform) { return of(self).attach(parent, platform); }
v3_result V3_API removed(void *self) { return of(self).detach(); }
v3_result V3_API on_wheel(void *, float) { return no; }
// What the editor has no use for is the host's.
v3_result V3_API on_key_down(void *self, int16_t, int16_t code, int16_t modifiers)
{
    return of(self).key(code, modifiers);
}
v3_result V3_API on_key_up(void *, int16_t, int16_t, int16_t) { return no; }
v3_result V3_API get_size(void *self, v3_view_rect *rect) { return rect ? of(self).size(*rect) : bad_argument; }
v3_result V3_API on_size(void *self, v3_view_rect *rect) { return rect ? of(self).resize(*rect) : bad_argument; }
v3_result V3_API on_focus(void *, v3_bool) { return ok; }
v3_result V3_API set_frame(void *self, v3_plugin_frame **frame)
{
    of(self).set_frame(frame);
    return ok;
}
v3_result V3_API can_resize(void *self) { return of(self).resizable() ? ok : no; }
v3_result V3_API check_size_constraint(void *self, v3_view_rect *rect)
{
    return rect ? of(self).fit(*rect) : bad_argument;
}
v3_result V3_API set_content_scale_factor(void *self, float factor) { return of(self).scale(factor); }
void V3_API on_timer(void *self) { of(self).idle(); }
void V3_API on_fd_is_set(void *self, int) { of(self).idle(); }

const Table<v3_plugin_view> view_functions = {Unknown<View>::table,
                                              {is_platform_type_supported, attached, removed, on_wheel, on_key_down,
                                               on_key_up, get_size, on_size, on_focus, set_frame, can_resize,
                                               check_size_constraint}};
const Table<v3_plugin_view_content_scale> scale_functions = {Unknown<View>::table, {set_content_scale_factor}};
const Table<v3_timer_handler> timer_functions = {Unknown<View>::table, {on_timer}};
const Table<v3_event_handler> event_functions = {Unknown<View>::table, {on_fd_is_set}};

View::View(Effect &effect)
    : effect_(effect), view_{&view_functions, this}, scale_{&scale_functions, this}, timer_{&timer_functions, this},
      events_{&event_functions, this}
{
    effect_.retain();
}

Interface *View::query(const v3_tuid iid)
{
    const struct {
        const uint8_t *iid;
        Interface *interface;
    } known[] = {
        {v3_funknown_iid, &view_},       {v3_plugin_view_iid, &view_},     {v3_plugin_view_content_scale_iid, &scale_},
        {v3_timer_handler_iid, &timer_}, {v3_event_handler_iid, &events_},
    };
    for (const auto &entry : known)
        if (v3_tuid_match(entry.iid, iid))
            return entry.interface;
    return nullptr;
}

} // namespace

v3_plugin_view **make_view(Effect &effect)
{
    if (!editor_api())
        return nullptr;
    View *view = new (std::nothrow) View(effect);
    return view ? static_cast<v3_plugin_view **>(static_cast<void *>(view->query(v3_plugin_view_iid))) : nullptr;
}

} // namespace spleeterrt::plugin::vst3
