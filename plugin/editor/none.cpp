// A build without editors: hosts show their own.
#include "editor/editor.h"

namespace spleeterrt::plugin {

bool editor_supports(const char *) { return false; }
const char *editor_api() { return nullptr; }
std::unique_ptr<Editor> make_editor(EditorHost &, const char *) { return nullptr; }

} // namespace spleeterrt::plugin
