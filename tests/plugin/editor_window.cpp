// editor_window STEMS [SCALE]: an editor inside a window of a program, as hosts embed it. What the editor does to the
// parameters is printed, a line each. Tests click in it with xdotool.
// Windows: the editor runs by its own timer. X11: by the descriptor and every 20 ms.
#include "editor/editor.h"
#include "editor_host.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

using spleeterrt::plugin::Editor;
using spleeterrt::plugin::Phase;

namespace {

void print_news(TestHost &host)
{
    std::fputs(host.log.c_str(), stdout);
    std::fflush(stdout);
    host.log.clear();
}

std::unique_ptr<Editor> editor_for(TestHost &host, int count, char **words)
{
    host.now = {Phase::ready, "starter.safetensors", "starter.safetensors", 0.34, 0, 0, 0.122};
    std::unique_ptr<Editor> editor = make_editor(host, spleeterrt::plugin::editor_api());
    if (editor && count > 2)
        editor->set_scale(std::atof(words[2]));
    return editor;
}

} // namespace

#ifdef _WIN32

#include <windows.h>

int main(int count, char **words)
{
    TestHost host(count > 1 ? std::atoi(words[1]) : 4);
    std::unique_ptr<Editor> editor = editor_for(host, count, words);
    if (!editor)
        return std::fprintf(stderr, "there is no editor\n"), 1;
    WNDCLASSW description{};
    description.lpfnWndProc = DefWindowProcW;
    description.lpszClassName = L"editor_window";
    RegisterClassW(&description);
    RECT outer{0, 0, static_cast<LONG>(editor->size().width), static_cast<LONG>(editor->size().height)};
    AdjustWindowRect(&outer, WS_OVERLAPPEDWINDOW, FALSE);
    HWND window = CreateWindowW(L"editor_window", L"editor_window", WS_OVERLAPPEDWINDOW | WS_VISIBLE, 20, 20,
                                outer.right - outer.left, outer.bottom - outer.top, nullptr, nullptr, nullptr, nullptr);
    if (!editor->set_parent(reinterpret_cast<std::uintptr_t>(window)))
        return std::fprintf(stderr, "the editor does not go into the window\n"), 1;
    editor->show();
    std::printf("shown\n");
    MSG message;
    while (IsWindow(window) && GetMessageW(&message, nullptr, 0, 0) > 0) {
        TranslateMessage(&message);
        DispatchMessageW(&message);
        print_news(host);
    }
    return 0;
}

#else

#include <poll.h>
#include <X11/Xlib.h>

int main(int count, char **words)
{
    TestHost host(count > 1 ? std::atoi(words[1]) : 4);
    std::unique_ptr<Editor> editor = editor_for(host, count, words);
    Display *display = XOpenDisplay(nullptr);
    if (!editor || !display)
        return std::fprintf(stderr, "there is no editor or no display\n"), 1;
    const Window window = XCreateSimpleWindow(display, DefaultRootWindow(display), 0, 0, editor->size().width,
                                              editor->size().height, 0, 0, 0);
    XStoreName(display, window, "editor_window");
    XSelectInput(display, window, StructureNotifyMask | KeyPressMask);
    XMapWindow(display, window);
    XSync(display, False);
    if (editor->set_parent(12345))
        return std::fprintf(stderr, "the editor goes into a window that is none\n"), 1;
    if (!editor->set_parent(window))
        return std::fprintf(stderr, "the editor does not go into the window\n"), 1;
    editor->show();
    std::printf("shown %lu\n", window);
    print_news(host);
    for (bool open = true; open;) {
        pollfd wanted[2] = {{editor->descriptor(), POLLIN, 0}, {ConnectionNumber(display), POLLIN, 0}};
        poll(wanted, 2, 20);
        editor->idle();
        print_news(host);
        while (XPending(display)) {
            XEvent event;
            XNextEvent(display, &event);
            if (event.type == KeyPress) // what the editor did not want
                std::printf("key %u\n", event.xkey.keycode);
            open = open && event.type != DestroyNotify;
        }
    }
    editor->idle(); // the host's window, and ours in it, are gone
    editor.reset();
    std::printf("closed\n");
    return 0;
}

#endif
