// Points, rectangles and colours of the editor.
#ifndef SPLEETERRT_EDITOR_GEOMETRY_H
#define SPLEETERRT_EDITOR_GEOMETRY_H

#include <algorithm>
#include <cstdint>

namespace spleeterrt::editor {

struct Point {
    float x = 0, y = 0;
};

struct Rect {
    float x = 0, y = 0, w = 0, h = 0;

    float right() const { return x + w; }
    float bottom() const { return y + h; }
    Point centre() const { return {x + w / 2, y + h / 2}; }
    bool contains(Point p) const { return p.x >= x && p.x < right() && p.y >= y && p.y < bottom(); }
    bool meets(const Rect &o) const { return x < o.right() && o.x < right() && y < o.bottom() && o.y < bottom(); }
    Rect grown(float by) const { return {x - by, y - by, w + 2 * by, h + 2 * by}; }
};

// Whole pixels: left and top belong to it, right and bottom do not.
struct PixelRect {
    int left = 0, top = 0, right = 0, bottom = 0;

    int width() const { return right - left; }
    int height() const { return bottom - top; }
    bool empty() const { return right <= left || bottom <= top; }
    bool meets(const PixelRect &o) const
    {
        return left < o.right && o.left < right && top < o.bottom && o.top < bottom;
    }
    PixelRect with(const PixelRect &o) const
    {
        return {std::min(left, o.left), std::min(top, o.top), std::max(right, o.right), std::max(bottom, o.bottom)};
    }
    PixelRect within(const PixelRect &o) const
    {
        return {std::max(left, o.left), std::max(top, o.top), std::min(right, o.right), std::min(bottom, o.bottom)};
    }
};

struct Color {
    std::uint8_t r = 0, g = 0, b = 0, a = 255;

    Color faded(float by) const { return {r, g, b, static_cast<std::uint8_t>(static_cast<float>(a) * by + 0.5f)}; }
};

inline Color mixed(Color from, Color to, float share)
{
    auto between = [share](std::uint8_t a, std::uint8_t b) {
        return static_cast<std::uint8_t>(static_cast<float>(a) +
                                         (static_cast<float>(b) - static_cast<float>(a)) * share + 0.5f);
    };
    return {between(from.r, to.r), between(from.g, to.g), between(from.b, to.b), between(from.a, to.a)};
}

} // namespace spleeterrt::editor

#endif
