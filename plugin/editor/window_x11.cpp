// A window of X11 inside the host's. It has a connection of its own, and does everything in idle(): the host calls that
// by a timer, or when the connection's descriptor becomes readable.
#include "editor/window.h"
#include "editor/x11.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <X11/keysym.h>

namespace spleeterrt::editor {

const X11 *x11()
{
    static const X11 *const functions = []() -> const X11 * {
        static X11 found;
        void *library = dlopen("libX11.so.6", RTLD_LAZY | RTLD_LOCAL);
        if (!library)
            return nullptr;
        bool all = true;
#define SPLEETERRT_FIND(name)                                                         \
    found.name##_ = reinterpret_cast<decltype(found.name##_)>(dlsym(library, #name)); \
    all = all && found.name##_;
        SPLEETERRT_X11_FUNCTIONS(SPLEETERRT_FIND)
#undef SPLEETERRT_FIND
        return all ? &found : nullptr;
    }();
    return functions;
}

namespace {

// What a host destroys is gone for us too; Xlib's own answer to such an error is to end the process. While a guard is
// there, errors of its connection are noted, and those of others go where they went before.
class ErrorGuard {
public:
    explicit ErrorGuard(Display *display) : outer_(guarded)
    {
        guarded = display;
        failed = false;
        if (!outer_) // or the handler would become the one that errors are passed on to
            next = x11()->XSetErrorHandler_(&ErrorGuard::handle);
    }
    ~ErrorGuard()
    {
        x11()->XSync_(guarded, False); // errors come with the answer to a later request
        if (!outer_)
            x11()->XSetErrorHandler_(next);
        guarded = outer_;
    }
    ErrorGuard(const ErrorGuard &) = delete;
    ErrorGuard &operator=(const ErrorGuard &) = delete;

    bool passed() const
    {
        x11()->XSync_(guarded, False);
        return !failed;
    }

private:
    static int handle(Display *display, XErrorEvent *error)
    {
        if (display != guarded)
            return next ? next(display, error) : 0;
        failed = true;
        return 0;
    }
    Display *const outer_; // of a guard around this one: a host may answer an edit by giving the window another size
    // Windows belong to the one thread of the user interface.
    static Display *guarded;
    static XErrorHandler next;
    static bool failed;
};

Display *ErrorGuard::guarded = nullptr;
XErrorHandler ErrorGuard::next = nullptr;
bool ErrorGuard::failed = false;

constexpr long events_mask = ExposureMask | ButtonPressMask | ButtonReleaseMask | PointerMotionMask | LeaveWindowMask |
                             KeyPressMask | KeyReleaseMask | StructureNotifyMask | FocusChangeMask;

Modifiers modifiers_of(unsigned state) { return {(state & ShiftMask) != 0, (state & ControlMask) != 0}; }

Key key_of(KeySym symbol)
{
    switch (symbol) {
    case XK_Tab:
    case XK_ISO_Left_Tab: return Key::tab;
    case XK_Left: return Key::left;
    case XK_Right: return Key::right;
    case XK_Up: return Key::up;
    case XK_Down: return Key::down;
    case XK_Page_Up: return Key::page_up;
    case XK_Page_Down: return Key::page_down;
    case XK_Home: return Key::home;
    case XK_End: return Key::end;
    case XK_Delete:
    case XK_BackSpace: return Key::remove;
    case XK_Return:
    case XK_KP_Enter: return Key::enter;
    case XK_Escape: return Key::escape;
    default: return Key::none;
    }
}

class X11Window : public Window {
public:
    X11Window(Panel &panel, Display *display) : panel_(panel), x_(*x11()), display_(display) {}

    ~X11Window() override
    {
        panel_.cancel();
        if (window_) {
            const ErrorGuard guard(display_);
            if (context_)
                x_.XFreeGC_(display_, context_);
            if (!gone_)
                x_.XDestroyWindow_(display_, window_);
            x_.XFreeColormap_(display_, colors_);
        }
        x_.XCloseDisplay_(display_);
    }

    bool open(::Window parent)
    {
        const ErrorGuard guard(display_);
        const int screen = DefaultScreen(display_);
        XVisualInfo visual{};
        if (!x_.XMatchVisualInfo_(display_, screen, 24, TrueColor, &visual) || visual.red_mask != 0xFF0000 ||
            visual.blue_mask != 0xFF)
            return false;
        visual_ = visual.visual;
        parent_ = parent;
        const ::Window root = RootWindow(display_, screen);
        XSetWindowAttributes wanted{};
        colors_ = wanted.colormap = x_.XCreateColormap_(display_, root, visual_, AllocNone);
        wanted.event_mask = events_mask;
        window_ = x_.XCreateWindow_(display_, parent ? parent : root, 0, 0, width(), height(), 0, 24, InputOutput,
                                    visual_, CWColormap | CWEventMask | CWBorderPixel | CWBackPixmap, &wanted);
        context_ = x_.XCreateGC_(display_, window_, 0, nullptr);
        // XEmbed, version 0: mapped when it is shown. As long, which is what Xlib takes for 32 bits.
        const long embedding[2] = {0, 1};
        const Atom information = x_.XInternAtom_(display_, "_XEMBED_INFO", False);
        x_.XChangeProperty_(display_, window_, information, information, 32, PropModeReplace,
                            reinterpret_cast<const unsigned char *>(embedding), 2);
        gone_ = !guard.passed();
        return !gone_;
    }

    void show() override
    {
        if (gone_)
            return;
        const ErrorGuard guard(display_);
        x_.XMapRaised_(display_, window_);
    }

    void hide() override
    {
        if (gone_)
            return;
        const ErrorGuard guard(display_);
        x_.XUnmapWindow_(display_, window_);
    }

    void resize(int w, int h) override
    {
        if (gone_)
            return;
        const ErrorGuard guard(display_);
        x_.XResizeWindow_(display_, window_, static_cast<unsigned>(w), static_cast<unsigned>(h));
        panel_.repaint();
    }

    void idle() override
    {
        if (gone_)
            return;
        const ErrorGuard guard(display_);
        while (x_.XPending_(display_) && !gone_) {
            XEvent event;
            x_.XNextEvent_(display_, &event);
            handle(event);
        }
        // Events can come more often than pictures are worth drawing.
        const double now = now_in_seconds();
        if (now - drawn_ < 0.015 || gone_)
            return;
        drawn_ = now;
        panel_.tick(now);
        for (const PixelRect &where : panel_.paint())
            put(where);
    }

    std::uintptr_t number() const override { return window_; }
    int descriptor() const override { return ConnectionNumber(display_); }

private:
    unsigned width() const { return static_cast<unsigned>(panel_.canvas().width()); }
    unsigned height() const { return static_cast<unsigned>(panel_.canvas().height()); }

    void handle(XEvent &event)
    {
        const double now = now_in_seconds();
        switch (event.type) {
        case Expose:
            put({event.xexpose.x, event.xexpose.y, event.xexpose.x + event.xexpose.width,
                 event.xexpose.y + event.xexpose.height});
            break;
        case MotionNotify:
            panel_.pointer_moved({static_cast<float>(event.xmotion.x), static_cast<float>(event.xmotion.y)},
                                 modifiers_of(event.xmotion.state), now);
            break;
        case LeaveNotify:
            if (event.xcrossing.mode == NotifyNormal)
                panel_.pointer_left();
            break;
        case ButtonPress: press(event.xbutton, now); break;
        case ButtonRelease:
            if (event.xbutton.button == Button1)
                panel_.released({static_cast<float>(event.xbutton.x), static_cast<float>(event.xbutton.y)},
                                modifiers_of(event.xbutton.state));
            break;
        case KeyPress:
        case KeyRelease: key(event.xkey); break;
        case ConfigureNotify: // some hosts give this window another size themselves
            if (event.xconfigure.width != panel_.canvas().width() ||
                event.xconfigure.height != panel_.canvas().height())
                panel_.resize(event.xconfigure.width, event.xconfigure.height);
            break;
        case DestroyNotify: gone_ = event.xdestroywindow.window == window_; break;
        default: break;
        }
    }

    void press(const XButtonEvent &event, double now)
    {
        const Point at{static_cast<float>(event.x), static_cast<float>(event.y)};
        const Modifiers modifiers = modifiers_of(event.state);
        if (event.button == Button1)
            panel_.pressed(at, modifiers, now);
        else if (event.button == Button4 || event.button == Button5)
            panel_.wheel(at, event.button == Button4 ? 1.0f : -1.0f, modifiers);
    }

    // Keys that mean nothing here are the host's: the space bar starts its transport.
    void key(XKeyEvent &event)
    {
        const Key known = key_of(x_.XLookupKeysym_(&event, 0));
        const bool ours = event.type == KeyPress && known != Key::none && panel_.key(known, modifiers_of(event.state));
        if (ours || !parent_)
            return;
        XEvent passed{};
        passed.xkey = event;
        passed.xkey.window = parent_;
        x_.XSendEvent_(display_, parent_, True, event.type == KeyPress ? KeyPressMask : KeyReleaseMask, &passed);
    }

    void put(const PixelRect &wanted)
    {
        const Canvas &canvas = panel_.canvas();
        const PixelRect where = wanted.within({0, 0, canvas.width(), canvas.height()});
        if (where.empty())
            return;
        // Xlib only reads the pixels.
        char *pixels = const_cast<char *>(reinterpret_cast<const char *>(canvas.pixels()));
        XImage *image = x_.XCreateImage_(display_, visual_, 24, ZPixmap, 0, pixels, width(), height(), 32, 0);
        if (!image)
            return;
        image->byte_order = LSBFirst;
        x_.XPutImage_(display_, window_, context_, image, where.left, where.top, where.left, where.top,
                      static_cast<unsigned>(where.width()), static_cast<unsigned>(where.height()));
        image->data = nullptr; // they are the canvas's
        image->f.destroy_image(image);
        x_.XFlush_(display_);
    }

    Panel &panel_;
    const X11 &x_;
    Display *display_;
    Visual *visual_ = nullptr;
    Colormap colors_ = 0;
    ::Window window_ = 0, parent_ = 0;
    GC context_ = nullptr;
    bool gone_ = false;
    double drawn_ = 0;
};

} // namespace

const char *window_api() { return plugin::api_x11; }
bool window_has_own_timer() { return false; }

// Desktops tell it as a resource: "Xft.dpi: 192".
double window_scale()
{
    Display *display = x11() ? x11()->XOpenDisplay_(nullptr) : nullptr;
    if (!display)
        return 1;
    const char *resources = x11()->XResourceManagerString_(display);
    const char *found = resources ? std::strstr(resources, "Xft.dpi:") : nullptr;
    const double dots = found ? std::atof(found + 8) : 0;
    x11()->XCloseDisplay_(display);
    return dots >= 48 && dots <= 480 ? dots / 96 : 1;
}

std::unique_ptr<Window> open_window(Panel &panel, std::uintptr_t parent)
{
    Display *display = x11() ? x11()->XOpenDisplay_(nullptr) : nullptr;
    if (!display)
        return nullptr;
    auto window = std::make_unique<X11Window>(panel, display);
    return window->open(static_cast<::Window>(parent)) ? std::move(window) : nullptr;
}

} // namespace spleeterrt::editor
