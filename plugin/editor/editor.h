// What stands between an editor and a format's adapter. The adapter implements EditorHost, the editor Editor. All of it
// belongs to the host's main (UI) thread.
#ifndef SPLEETERRT_PLUGIN_EDITOR_H
#define SPLEETERRT_PLUGIN_EDITOR_H

#include "editor/input.h"
#include "shell/shell.h"

#include <cstdint>
#include <memory>
#include <string>

namespace spleeterrt::plugin {

class EditorHost {
public:
    virtual const Product &product() const = 0;
    virtual const Parameters &parameters() const = 0;
    virtual double value(std::size_t parameter) const = 0;
    // A gesture of the user: begin_edit, any number of edits, end_edit. The adapter sets the value and tells the host.
    virtual void begin_edit(std::size_t parameter) = 0;
    virtual void edit(std::size_t parameter, double value) = 0;
    virtual void end_edit(std::size_t parameter) = 0;

    virtual Status status() const = 0;
    virtual float peak(int bus, int channel) = 0; // linear, since the last call

protected:
    ~EditorHost() = default;
};

// Names of windowing systems, as CLAP has them; adapters translate those of VST3 and LV2.
constexpr const char *api_x11 = "x11", *api_win32 = "win32", *api_cocoa = "cocoa";

struct Size {
    std::uint32_t width, height; // pixels
};

class Editor {
public:
    virtual ~Editor() = default; // closes its window

    // Into the host's window: an X11 Window, an HWND. Once, before the first show.
    virtual bool set_parent(std::uintptr_t window) = 0;
    virtual std::uintptr_t window() const = 0; // its own inside that one; 0: there is none yet
    virtual Size size() const = 0;
    virtual bool can_resize() const = 0;
    virtual Size fitting(Size wanted) const = 0; // the nearest size that it can have
    virtual bool set_size(Size size) = 0;        // one of those
    virtual bool set_scale(double scale) = 0;    // 1: 96 dots per inch; before set_parent
    virtual void show() = 0;
    virtual void hide() = 0;
    // A key that did not come to its window but to the host's; whether it meant something here. Tab is none of them: it
    // leaves the window behind the last control, and would come in again.
    virtual bool key(editor::Key key, editor::Modifiers modifiers) = 0;
    // Handles what has happened and draws what has changed. The adapter calls it some 30 times a second where the host
    // offers a timer or an idle callback; `has_own_timer`: it need not.
    virtual void idle() = 0;
    virtual bool has_own_timer() const = 0;
    // A file descriptor that becomes readable when there is something to handle; -1: there is none.
    virtual int descriptor() const { return -1; }
};

bool editor_supports(const char *api);
const char *editor_api(); // the one of this system; nullptr: there are no editors in this build
// nullptr: it cannot be made. The host outlives it.
std::unique_ptr<Editor> make_editor(EditorHost &host, const char *api);

} // namespace spleeterrt::plugin

#endif
