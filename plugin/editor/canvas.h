// A picture in memory and what is drawn into it: boxes with round corners, lines, discs, arcs, shadows, text; all with
// smooth edges. Coordinates are units of the layout, `scale` pixels each; boxes end at whole pixels, so that their
// edges are crisp at any scale.
#ifndef SPLEETERRT_EDITOR_CANVAS_H
#define SPLEETERRT_EDITOR_CANVAS_H

#include "editor/font.h"
#include "editor/geometry.h"

#include <string>
#include <vector>

namespace spleeterrt::editor {

enum class Weight { regular, medium };
enum class Align { left, centre, right };

struct TextStyle {
    float size = 12;
    Color color;
    Weight weight = Weight::regular;
};

class Canvas {
public:
    Canvas();

    void resize(int width, int height, float scale);
    int width() const { return width_; }
    int height() const { return height_; }
    float scale() const { return scale_; }
    // [height][width], 0xFFRRGGBB: what X11 and Windows take as it is.
    const std::uint32_t *pixels() const { return pixels_.data(); }

    // Until the next call nothing outside is touched.
    void set_clip(const PixelRect &clip);
    bool clipped_away(const Rect &area) const;
    PixelRect pixels_of(const Rect &area) const; // all that the area touches

    void clear(Color color);
    void fill(const Rect &box, Color color, float radius = 0);
    void gradient(const Rect &box, Color top, Color bottom, float radius = 0);
    void outline(const Rect &box, Color color, float width = 1, float radius = 0); // inside the box
    void shadow(const Rect &box, Color color, float radius, float blur);
    void line(Point from, Point to, Color color, float width = 1); // with round ends
    void disc(Point centre, float radius, Color color);
    // From one angle to another, clockwise; radians, 0 is up.
    void arc(Point centre, float radius, float from, float to, Color color, float width = 1);

    // One line. y: of the middle of capital letters. Returns the width.
    float text(Point at, const std::string &text, const TextStyle &style, Align align = Align::left);
    float text_width(const std::string &text, const TextStyle &style);
    // The text, or its beginning and an ellipsis, where it is wider than that.
    std::string fitted(const std::string &text, const TextStyle &style, float width);
    // Lines that are no wider than that, broken between words, and within those that are too wide (paths).
    std::vector<std::string> wrapped(const std::string &text, const TextStyle &style, float width);

private:
    std::size_t length_within(const std::string &text, const TextStyle &style, float width);
    struct Box; // a box in pixels
    Box box(const Rect &rect, float radius) const;
    template <typename Distance> void shade(PixelRect bounds, Color color, const Distance &distance);
    void fill_box(const Box &box, Color top, Color bottom);
    void blend(int x, int y, Color color, float share);
    Font &font(Weight weight) { return weight == Weight::medium ? medium_ : regular_; }

    int width_ = 0, height_ = 0;
    float scale_ = 1;
    PixelRect clip_;
    std::vector<std::uint32_t> pixels_;
    Font regular_, medium_;
};

} // namespace spleeterrt::editor

#endif
