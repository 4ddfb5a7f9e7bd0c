// The functions of user32 and gdi32, found when the first window opens: the plugin itself needs kernel32 alone.
#ifndef SPLEETERRT_EDITOR_USER32_H
#define SPLEETERRT_EDITOR_USER32_H

#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

namespace spleeterrt::editor {

#define SPLEETERRT_USER32_FUNCTIONS(X) \
    X(RegisterClassExW)                \
    X(UnregisterClassW)                \
    X(CreateWindowExW)                 \
    X(DestroyWindow)                   \
    X(DefWindowProcW)                  \
    X(ShowWindow)                      \
    X(SetWindowPos)                    \
    X(SetWindowLongPtrW)               \
    X(GetWindowLongPtrW)               \
    X(SetTimer)                        \
    X(KillTimer)                       \
    X(GetDC)                           \
    X(ReleaseDC)                       \
    X(BeginPaint)                      \
    X(EndPaint)                        \
    X(SetCapture)                      \
    X(ReleaseCapture)                  \
    X(GetKeyState)                     \
    X(LoadCursorW)                     \
    X(PostMessageW)                    \
    X(ScreenToClient)                  \
    X(TrackMouseEvent)                 \
    X(IsWindow)

#define SPLEETERRT_GDI32_FUNCTIONS(X) \
    X(SetDIBitsToDevice)              \
    X(GetDeviceCaps)

struct User32 {
#define SPLEETERRT_DECLARE(name) decltype(&::name) name##_ = nullptr;
    SPLEETERRT_USER32_FUNCTIONS(SPLEETERRT_DECLARE)
    SPLEETERRT_GDI32_FUNCTIONS(SPLEETERRT_DECLARE)
#undef SPLEETERRT_DECLARE
};

const User32 *user32(); // nullptr: a system without windows

} // namespace spleeterrt::editor

#endif
