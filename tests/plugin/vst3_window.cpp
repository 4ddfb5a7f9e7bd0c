// vst3_window MODULE STEMS: the editor of the VST3 plugin inside a window, run by a frame's loop. Prints what the
// editor tells the host, by names, and what it says to keys. Tests click in it with xdotool, and write keys as VST3 has
// them to the standard input: CODE MODIFIERS.
#include "vst3_session.h"

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <sstream>
#include <travesty/view.h>
#include <unistd.h>
#include <X11/Xlib.h>

namespace {

struct Loop : host::Object<v3_run_loop> {
    v3_timer_handler **timer = nullptr;
    v3_event_handler **events = nullptr;
    int descriptor = -1;

    static Loop &of(void *self) { return *static_cast<Loop *>(self); }
    static v3_result V3_API add_events(void *self, v3_event_handler **handler, int fd)
    {
        of(self).events = handler;
        of(self).descriptor = fd;
        return V3_OK;
    }
    static v3_result V3_API remove_events(void *self, v3_event_handler **handler)
    {
        if (of(self).events != handler)
            return static_cast<v3_result>(V3_INVALID_ARG);
        of(self).events = nullptr;
        return V3_OK;
    }
    static v3_result V3_API add_timer(void *self, v3_timer_handler **handler, uint64_t)
    {
        of(self).timer = handler;
        return V3_OK;
    }
    static v3_result V3_API remove_timer(void *self, v3_timer_handler **handler)
    {
        if (of(self).timer != handler)
            return static_cast<v3_result>(V3_INVALID_ARG);
        of(self).timer = nullptr;
        return V3_OK;
    }
    Loop() : Object({add_events, remove_events, add_timer, remove_timer}, v3_run_loop_iid) {}
};

// Has two interfaces: its own and the loop's.
struct Frame {
    const host::Table<v3_plugin_frame> *const table = &own;
    Loop loop;
    const host::Table<v3_plugin_frame> own = {
        {query, [](void *) { return 1u; }, [](void *) { return 1u; }},
        {[](void *, v3_plugin_view **, v3_view_rect *) { return static_cast<v3_result>(V3_NOT_IMPLEMENTED); }}};

    static v3_result V3_API query(void *self, const v3_tuid wanted, void **found)
    {
        if (v3_tuid_match(wanted, v3_run_loop_iid))
            return Loop::query(&static_cast<Frame *>(self)->loop, wanted, found);
        *found = v3_tuid_match(wanted, v3_plugin_frame_iid) || v3_tuid_match(wanted, v3_funknown_iid) ? self : nullptr;
        return *found ? V3_OK : static_cast<v3_result>(V3_NO_INTERFACE);
    }
};

std::string name_of(host::Session &session, v3_param_id id)
{
    const int count = v3_cpp_obj(session.controller)->get_parameter_count(session.controller);
    for (int i = 0; i < count; i++) {
        v3_param_info info = {};
        v3_cpp_obj(session.controller)->get_parameter_info(session.controller, i, &info);
        if (info.param_id == id)
            return std::string(info.title, std::find(info.title, info.title + 128, 0));
    }
    return "?";
}

// Prints what comes, at once.
struct Edits : host::Object<v3_component_handler> {
    host::Session &session;

    static void print(void *self, const char *what, v3_param_id id, const std::string &value = "")
    {
        std::printf("%s %s%s\n", what, name_of(static_cast<Edits *>(self)->session, id).c_str(), value.c_str());
        std::fflush(stdout);
    }
    static v3_result V3_API begin(void *self, v3_param_id id) { return print(self, "begin", id), V3_OK; }
    static v3_result V3_API perform(void *self, v3_param_id id, double value)
    {
        char text[32];
        std::snprintf(text, sizeof text, " %.1f", value);
        return print(self, "edit", id, text), V3_OK;
    }
    static v3_result V3_API end(void *self, v3_param_id id) { return print(self, "end", id), V3_OK; }
    static v3_result V3_API restart(void *, int32_t) { return V3_OK; }
    explicit Edits(host::Session &s) : Object({begin, perform, end, restart}, v3_component_handler_iid), session(s) {}
};

// Those that have been written meanwhile.
void keys(v3_plugin_view **view, std::string &written)
{
    char some[256];
    for (ssize_t count; (count = read(STDIN_FILENO, some, sizeof some)) > 0;)
        written.append(some, static_cast<std::size_t>(count));
    for (std::size_t end; (end = written.find('\n')) != std::string::npos; written.erase(0, end + 1)) {
        std::istringstream words(written.substr(0, end));
        int16_t code = 0, modifiers = 0;
        words >> code >> modifiers;
        const bool used = v3_cpp_obj(view)->on_key_down(view, 0, code, modifiers) == V3_OK;
        const bool up = v3_cpp_obj(view)->on_key_up(view, 0, code, modifiers) == V3_OK;
        std::printf("key %d %s%s\n", code, used ? "used" : "left", up ? ", and when it went up" : "");
        std::fflush(stdout);
    }
}

void run(host::Session &session, Display *display)
{
    v3_plugin_view **view = v3_cpp_obj(session.controller)->create_view(session.controller, "editor");
    if (!view)
        throw std::runtime_error("no view");
    v3_view_rect size = {};
    v3_cpp_obj(view)->get_size(view, &size);
    const Window window =
        XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, static_cast<unsigned>(size.right),
                            static_cast<unsigned>(size.bottom), 0, 0, 0);
    XSelectInput(display, window, StructureNotifyMask);
    XMapWindow(display, window);
    XSync(display, False);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    std::string written;
    Frame frame;
    v3_cpp_obj(view)->set_frame(view, reinterpret_cast<v3_plugin_frame **>(&frame));
    if (v3_cpp_obj(view)->attached(view, reinterpret_cast<void *>(window), V3_VIEW_PLATFORM_TYPE_X11) != V3_OK ||
        !frame.loop.timer)
        throw std::runtime_error("the editor does not go into the window");
    std::printf("shown %lu\n", window);
    std::fflush(stdout);
    for (bool open = true; open;) {
        pollfd wanted = {frame.loop.descriptor, POLLIN, 0};
        if (poll(&wanted, 1, 20) > 0 && frame.loop.events)
            v3_cpp_obj(frame.loop.events)->on_fd_is_set(frame.loop.events, frame.loop.descriptor);
        v3_cpp_obj(frame.loop.timer)->on_timer(frame.loop.timer);
        keys(view, written);
        while (XPending(display)) {
            XEvent event;
            XNextEvent(display, &event);
            open = open && event.type != DestroyNotify;
        }
    }
    v3_cpp_obj(view)->removed(view);
    v3_cpp_obj(view)->set_frame(view, nullptr);
    const bool left =
        frame.loop.timer || frame.loop.events || v3_cpp_obj_unref(view) != 0 || frame.loop.references != 0;
    if (left)
        throw std::runtime_error("the view has not let go of everything");
}

} // namespace

int main(int count, char **words)
{
    Display *display = XOpenDisplay(nullptr);
    if (count != 3 || !display)
        return std::printf("usage, with a display: vst3_window MODULE STEMS\n"), 2;
    try {
        host::Session session(words[1]);
        const std::string wanted = std::string(words[2]) + " Stems";
        for (int i = 0; i < v3_cpp_obj(session.module.factory)->num_classes(session.module.factory); i++) {
            v3_class_info info = {};
            v3_cpp_obj(session.module.factory)->get_class_info(session.module.factory, i, &info);
            if (std::string(info.name).find(wanted) != std::string::npos)
                session.create(i);
        }
        if (!session.controller)
            throw std::runtime_error("no such plugin");
        Edits edits(session);
        v3_cpp_obj_initialize(session.component, reinterpret_cast<v3_funknown **>(&session.application));
        v3_cpp_obj(session.controller)->set_component_handler(session.controller, edits.interface());
        run(session, display);
        v3_cpp_obj_terminate(session.component);
        v3_cpp_obj(session.controller)->set_component_handler(session.controller, nullptr);
    } catch (const std::exception &error) {
        std::printf("FAILED: %s\n", error.what());
        return 1;
    }
    std::printf("closed\n");
    return 0;
}
