// The functions of libX11, found when the first window opens: a host without X11 loads the plugin all the same.
#ifndef SPLEETERRT_EDITOR_X11_H
#define SPLEETERRT_EDITOR_X11_H

#include <X11/Xlib.h>
#include <X11/Xutil.h>

namespace spleeterrt::editor {

#define SPLEETERRT_X11_FUNCTIONS(X) \
    X(XOpenDisplay)                 \
    X(XCloseDisplay)                \
    X(XCreateWindow)                \
    X(XDestroyWindow)               \
    X(XMapRaised)                   \
    X(XUnmapWindow)                 \
    X(XResizeWindow)                \
    X(XMatchVisualInfo)             \
    X(XCreateColormap)              \
    X(XFreeColormap)                \
    X(XCreateGC)                    \
    X(XFreeGC)                      \
    X(XCreateImage)                 \
    X(XPutImage)                    \
    X(XPending)                     \
    X(XNextEvent)                   \
    X(XSendEvent)                   \
    X(XFlush)                       \
    X(XSync)                        \
    X(XInternAtom)                  \
    X(XChangeProperty)              \
    X(XLookupKeysym)                \
    X(XResourceManagerString)       \
    X(XSetErrorHandler)             \
    X(XFree)

struct X11 {
#define SPLEETERRT_DECLARE(name) decltype(&::name) name##_ = nullptr;
    SPLEETERRT_X11_FUNCTIONS(SPLEETERRT_DECLARE)
#undef SPLEETERRT_DECLARE
};

// nullptr: this machine has no libX11. It stays loaded.
const X11 *x11();

} // namespace spleeterrt::editor

#endif
