// A system for which there is no window yet: hosts show the parameters themselves.
#include "editor/window.h"

namespace spleeterrt::editor {

const char *window_api() { return nullptr; }
bool window_has_own_timer() { return false; }
double window_scale() { return 1; }
std::unique_ptr<Window> open_window(Panel &, std::uintptr_t) { return nullptr; }

} // namespace spleeterrt::editor
