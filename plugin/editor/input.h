// What comes from a mouse and a keyboard.
#ifndef SPLEETERRT_EDITOR_INPUT_H
#define SPLEETERRT_EDITOR_INPUT_H

namespace spleeterrt::editor {

enum class Key { none, tab, left, right, up, down, page_up, page_down, home, end, remove, enter, escape };

struct Modifiers {
    bool shift = false;   // finer
    bool control = false; // of solo: this stem alone
};

} // namespace spleeterrt::editor

#endif
