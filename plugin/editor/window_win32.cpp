// A child window of Windows inside the host's, with a timer of its own.
#include "editor/user32.h"
#include "editor/window.h"

#include <cwchar>

namespace spleeterrt::editor {

const User32 *user32()
{
    static const User32 *const functions = []() -> const User32 * {
        static User32 found;
        const HMODULE user = LoadLibraryW(L"user32.dll"), gdi = LoadLibraryW(L"gdi32.dll");
        if (!user || !gdi)
            return nullptr;
        bool all = true;
// By way of void(*)(), which is what compilers let every function pointer become.
#define SPLEETERRT_FIND(library, name)                                                                           \
    found.name##_ =                                                                                              \
        reinterpret_cast<decltype(found.name##_)>(reinterpret_cast<void (*)()>(GetProcAddress(library, #name))); \
    all = all && found.name##_;
#define SPLEETERRT_FIND_USER(name) SPLEETERRT_FIND(user, name)
#define SPLEETERRT_FIND_GDI(name) SPLEETERRT_FIND(gdi, name)
        SPLEETERRT_USER32_FUNCTIONS(SPLEETERRT_FIND_USER)
        SPLEETERRT_GDI32_FUNCTIONS(SPLEETERRT_FIND_GDI)
        return all ? &found : nullptr;
    }();
    return functions;
}

namespace {

constexpr UINT_PTR timer = 1;
constexpr UINT timer_period = 33; // milliseconds

HINSTANCE own_module()
{
    HMODULE module = nullptr;
    GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                       reinterpret_cast<LPCWSTR>(&own_module), &module);
    return module;
}

Key key_of(WPARAM code)
{
    switch (code) {
    case VK_TAB: return Key::tab;
    case VK_LEFT: return Key::left;
    case VK_RIGHT: return Key::right;
    case VK_UP: return Key::up;
    case VK_DOWN: return Key::down;
    case VK_PRIOR: return Key::page_up;
    case VK_NEXT: return Key::page_down;
    case VK_HOME: return Key::home;
    case VK_END: return Key::end;
    case VK_DELETE:
    case VK_BACK: return Key::remove;
    case VK_RETURN: return Key::enter;
    case VK_ESCAPE: return Key::escape;
    default: return Key::none;
    }
}

// Signed: a captured pointer may be left of the window.
Point point_of(LPARAM place)
{
    return {static_cast<float>(static_cast<short>(LOWORD(place))),
            static_cast<float>(static_cast<short>(HIWORD(place)))};
}

class Win32Window : public Window {
public:
    explicit Win32Window(Panel &panel) : panel_(panel), w_(*user32()) {}

    ~Win32Window() override
    {
        panel_.cancel();
        if (window_) {
            w_.SetWindowLongPtrW_(window_, GWLP_USERDATA, 0);
            w_.KillTimer_(window_, timer);
            w_.DestroyWindow_(window_);
        }
        // Fails while another window of this class is open: then that one does it.
        w_.UnregisterClassW_(name_, own_module());
    }

    bool open(HWND parent)
    {
        if (!w_.IsWindow_(parent))
            return false;
        parent_ = parent;
        // A class per copy of the plugin in this process: its code may be unloaded.
        std::swprintf(name_, sizeof name_ / sizeof *name_, L"spleeterrt-%p", static_cast<void *>(own_module()));
        WNDCLASSEXW description{};
        description.cbSize = sizeof description;
        description.lpfnWndProc = &Win32Window::procedure;
        description.hInstance = own_module();
        description.hCursor = w_.LoadCursorW_(nullptr, reinterpret_cast<LPCWSTR>(IDC_ARROW));
        description.lpszClassName = name_;
        w_.RegisterClassExW_(&description); // fails where it is there already
        window_ =
            w_.CreateWindowExW_(0, name_, L"spleeterrt", WS_CHILD | WS_CLIPSIBLINGS, 0, 0, panel_.canvas().width(),
                                panel_.canvas().height(), parent, nullptr, own_module(), nullptr);
        if (!window_)
            return false;
        w_.SetWindowLongPtrW_(window_, GWLP_USERDATA, reinterpret_cast<LONG_PTR>(this));
        w_.SetTimer_(window_, timer, timer_period, nullptr);
        return true;
    }

    void show() override
    {
        if (window_)
            w_.ShowWindow_(window_, SW_SHOW);
    }
    void hide() override
    {
        if (window_)
            w_.ShowWindow_(window_, SW_HIDE);
    }
    void resize(int width, int height) override
    {
        if (window_)
            w_.SetWindowPos_(window_, nullptr, 0, 0, width, height, SWP_NOMOVE | SWP_NOZORDER | SWP_NOACTIVATE);
        panel_.repaint();
    }

    std::uintptr_t number() const override { return reinterpret_cast<std::uintptr_t>(window_); }

    void idle() override
    {
        panel_.tick(now_in_seconds());
        const std::vector<PixelRect> &areas = panel_.paint();
        if (!window_ || areas.empty())
            return;
        const HDC device = w_.GetDC_(window_);
        for (const PixelRect &where : areas)
            put(device, where);
        w_.ReleaseDC_(window_, device);
    }

private:
    static LRESULT CALLBACK procedure(HWND window, UINT message, WPARAM first, LPARAM second)
    {
        const User32 &w = *user32();
        auto *self = reinterpret_cast<Win32Window *>(w.GetWindowLongPtrW_(window, GWLP_USERDATA));
        LRESULT result = 0;
        if (self && self->handle(message, first, second, result))
            return result;
        return w.DefWindowProcW_(window, message, first, second);
    }

    Modifiers modifiers() const { return {w_.GetKeyState_(VK_SHIFT) < 0, w_.GetKeyState_(VK_CONTROL) < 0}; }

    bool handle(UINT message, WPARAM first, LPARAM second, LRESULT &result)
    {
        switch (message) {
        case WM_TIMER: idle(); return true;
        case WM_SIZE: // some hosts give this window another size themselves
            if (LOWORD(second) != panel_.canvas().width() || HIWORD(second) != panel_.canvas().height())
                panel_.resize(LOWORD(second), HIWORD(second));
            return true;
        case WM_ERASEBKGND: result = 1; return true;
        case WM_PAINT: paint(); return true;
        case WM_MOUSEMOVE:
            follow_pointer();
            panel_.pointer_moved(point_of(second), modifiers(), now_in_seconds());
            return true;
        case WM_MOUSELEAVE:
            followed_ = false;
            panel_.pointer_left();
            return true;
        case WM_LBUTTONDOWN:
            w_.SetCapture_(window_);
            panel_.pressed(point_of(second), modifiers(), now_in_seconds());
            return true;
        case WM_LBUTTONUP:
            panel_.released(point_of(second), modifiers());
            w_.ReleaseCapture_();
            return true;
        case WM_CAPTURECHANGED: panel_.cancel(); return true;
        case WM_MOUSEWHEEL: wheel(first, second); return true;
        case WM_KEYDOWN:
        case WM_KEYUP: key(message, first, second); return true;
        case WM_DESTROY: // by the host, before us
            panel_.cancel();
            w_.SetWindowLongPtrW_(window_, GWLP_USERDATA, 0);
            window_ = nullptr;
            return false;
        default: return false;
        }
    }

    void paint()
    {
        PAINTSTRUCT about{};
        const HDC device = w_.BeginPaint_(window_, &about);
        panel_.paint();
        put(device, {0, 0, panel_.canvas().width(), panel_.canvas().height()});
        w_.EndPaint_(window_, &about);
    }

    void follow_pointer()
    {
        if (followed_)
            return;
        TRACKMOUSEEVENT wanted{sizeof wanted, TME_LEAVE, window_, 0};
        followed_ = w_.TrackMouseEvent_(&wanted) != 0;
    }

    void wheel(WPARAM first, LPARAM second)
    {
        POINT at{static_cast<short>(LOWORD(second)), static_cast<short>(HIWORD(second))};
        w_.ScreenToClient_(window_, &at);
        const auto steps = static_cast<float>(static_cast<short>(HIWORD(first))) / WHEEL_DELTA;
        panel_.wheel({static_cast<float>(at.x), static_cast<float>(at.y)}, steps, modifiers());
    }

    // Keys that mean nothing here are the host's: the space bar starts its transport.
    void key(UINT message, WPARAM first, LPARAM second)
    {
        const Key known = key_of(first);
        if (message == WM_KEYDOWN && known != Key::none && panel_.key(known, modifiers()))
            return;
        w_.PostMessageW_(parent_, message, first, second);
    }

    void put(HDC device, const PixelRect &where) const
    {
        const Canvas &canvas = panel_.canvas();
        BITMAPINFO about{};
        about.bmiHeader.biSize = sizeof about.bmiHeader;
        about.bmiHeader.biWidth = canvas.width();
        about.bmiHeader.biHeight = -where.height(); // from the top
        about.bmiHeader.biPlanes = 1;
        about.bmiHeader.biBitCount = 32;
        const std::uint32_t *rows =
            canvas.pixels() + static_cast<std::ptrdiff_t>(where.top) * static_cast<std::ptrdiff_t>(canvas.width());
        w_.SetDIBitsToDevice_(device, where.left, where.top, static_cast<DWORD>(where.width()),
                              static_cast<DWORD>(where.height()), where.left, 0, 0, static_cast<UINT>(where.height()),
                              rows, &about, DIB_RGB_COLORS);
    }

    Panel &panel_;
    const User32 &w_;
    HWND window_ = nullptr, parent_ = nullptr;
    wchar_t name_[64] = {};
    bool followed_ = false;
};

} // namespace

const char *window_api() { return plugin::api_win32; }
bool window_has_own_timer() { return true; }

double window_scale()
{
    const User32 *w = user32();
    const HDC screen = w ? w->GetDC_(nullptr) : nullptr;
    if (!screen)
        return 1;
    const int dots = w->GetDeviceCaps_(screen, LOGPIXELSX);
    w->ReleaseDC_(nullptr, screen);
    return dots >= 48 && dots <= 480 ? dots / 96.0 : 1;
}

std::unique_ptr<Window> open_window(Panel &panel, std::uintptr_t parent)
{
    if (!user32())
        return nullptr;
    auto window = std::make_unique<Win32Window>(panel);
    return window->open(reinterpret_cast<HWND>(parent)) ? std::move(window) : nullptr;
}

} // namespace spleeterrt::editor
