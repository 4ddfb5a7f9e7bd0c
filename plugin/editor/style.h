// Colours and sizes of the editor.
#ifndef SPLEETERRT_EDITOR_STYLE_H
#define SPLEETERRT_EDITOR_STYLE_H

#include "editor/geometry.h"

#include <string>

namespace spleeterrt::editor::style {

constexpr Color ground{20, 22, 28};
constexpr Color bar{25, 28, 35};
constexpr Color card_top{34, 38, 47}, card_bottom{30, 33, 41};
constexpr Color edge{47, 53, 65};
constexpr Color well{17, 19, 24};   // what something moves in: slots, meters, choices
constexpr Color raised{52, 58, 71}; // what can be pressed
constexpr Color raised_hover{62, 69, 84};
constexpr Color text{231, 234, 240}, muted{146, 155, 172}, faint{99, 108, 126};
constexpr Color dark{22, 24, 30}; // text on bright buttons
constexpr Color mute{226, 105, 99}, solo{240, 196, 92}, bypass{240, 164, 88}, focus{126, 170, 255};
constexpr Color good{96, 204, 146}, busy{240, 196, 92}, bad{236, 112, 104};
constexpr Color mix{200, 208, 222};

inline Color of_stem(const std::string &name)
{
    if (name == "Vocals")
        return {240, 128, 132};
    if (name == "Drums")
        return {238, 180, 98};
    if (name == "Bass")
        return {118, 162, 246};
    if (name == "Piano")
        return {182, 148, 240};
    return {88, 200, 174};
}

// Of the layout, in units of one pixel at scale 1.
constexpr float margin = 16, gap = 10;
constexpr float header = 54, strips = 296, choices = 62, status = 34;
constexpr float mix_width = 112;
constexpr float radius = 9;

} // namespace spleeterrt::editor::style

#endif
