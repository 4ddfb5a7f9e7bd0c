// A panel in a window of the system, inside a window of the host.
#ifndef SPLEETERRT_EDITOR_WINDOW_H
#define SPLEETERRT_EDITOR_WINDOW_H

#include "editor/panel.h"

#include <chrono>
#include <cstdint>
#include <memory>

namespace spleeterrt::editor {

class Window {
public:
    virtual ~Window() = default;
    virtual void show() = 0;
    virtual void hide() = 0;
    virtual void resize(int width, int height) = 0; // the panel has that size already
    virtual void idle() = 0;
    virtual std::uintptr_t number() const = 0; // the system's: an X11 Window, an HWND
    virtual int descriptor() const { return -1; }
};

// Of this system. scale: what the system says that pixels are, 1 at 96 dots per inch.
const char *window_api();
bool window_has_own_timer();
double window_scale();
// nullptr: there is no display, or the host's window is none.
std::unique_ptr<Window> open_window(Panel &panel, std::uintptr_t parent);

inline double now_in_seconds()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace spleeterrt::editor

#endif
