#include "editor/canvas.h"

#include "editor/typefaces.h"

#include <cmath>

namespace spleeterrt::editor {

namespace {

std::uint32_t packed(Color c)
{
    return 0xFF000000u | static_cast<std::uint32_t>(c.r) << 16 | static_cast<std::uint32_t>(c.g) << 8 | c.b;
}

std::uint32_t blended(std::uint32_t under, Color over, std::uint32_t share) // share: of 256
{
    const std::uint32_t rest = 256 - share;
    const std::uint32_t r = ((under >> 16 & 255) * rest + over.r * share + 128) >> 8;
    const std::uint32_t g = ((under >> 8 & 255) * rest + over.g * share + 128) >> 8;
    const std::uint32_t b = ((under & 255) * rest + over.b * share + 128) >> 8;
    return 0xFF000000u | r << 16 | g << 8 | b;
}

// From a point to the edge of a box with round corners; negative inside. x, y: from the centre.
float to_box(float x, float y, float half_width, float half_height, float radius)
{
    const float dx = std::fabs(x) - (half_width - radius), dy = std::fabs(y) - (half_height - radius);
    if (dx <= 0 || dy <= 0)
        return std::max(dx, dy) - radius;
    return std::sqrt(dx * dx + dy * dy) - radius;
}

float to_segment(Point p, Point a, Point b)
{
    const float dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
    const float t = length > 0 ? std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0f, 1.0f) : 0.0f;
    return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

PixelRect around(float left, float top, float right, float bottom)
{
    return {static_cast<int>(std::floor(left)), static_cast<int>(std::floor(top)), static_cast<int>(std::ceil(right)),
            static_cast<int>(std::ceil(bottom))};
}

} // namespace

struct Canvas::Box {
    int left, top, right, bottom;
    float radius;

    float x() const { return static_cast<float>(left + right) / 2; }
    float y() const { return static_cast<float>(top + bottom) / 2; }
    float half_width() const { return static_cast<float>(right - left) / 2; }
    float half_height() const { return static_cast<float>(bottom - top) / 2; }
};

Canvas::Canvas() : regular_(typefaces::regular), medium_(typefaces::medium) {}

void Canvas::resize(int width, int height, float scale)
{
    width_ = std::max(width, 1);
    height_ = std::max(height, 1);
    scale_ = scale;
    pixels_.assign(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_), 0xFF000000u);
    set_clip({0, 0, width_, height_});
}

void Canvas::set_clip(const PixelRect &clip) { clip_ = clip.within({0, 0, width_, height_}); }

PixelRect Canvas::pixels_of(const Rect &area) const
{
    return around(area.x * scale_, area.y * scale_, area.right() * scale_, area.bottom() * scale_);
}

bool Canvas::clipped_away(const Rect &area) const { return pixels_of(area).within(clip_).empty(); }

Canvas::Box Canvas::box(const Rect &rect, float radius) const
{
    auto whole = [this](float at) { return static_cast<int>(std::lround(at * scale_)); };
    Box made{whole(rect.x), whole(rect.y), whole(rect.right()), whole(rect.bottom()), radius * scale_};
    made.right = std::max(made.right, made.left + 1);
    made.bottom = std::max(made.bottom, made.top + 1);
    made.radius = std::min({made.radius, made.half_width(), made.half_height()});
    return made;
}

void Canvas::blend(int x, int y, Color color, float share)
{
    const auto part = static_cast<std::uint32_t>(share * (static_cast<float>(color.a) * (256.0f / 255.0f)) + 0.5f);
    std::uint32_t &pixel =
        pixels_[static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) + static_cast<std::size_t>(x)];
    pixel = blended(pixel, color, part);
}

template <typename Distance> void Canvas::shade(PixelRect bounds, Color color, const Distance &distance)
{
    bounds = bounds.within(clip_);
    for (int y = bounds.top; y < bounds.bottom; y++)
        for (int x = bounds.left; x < bounds.right; x++) {
            const float d = distance(static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f);
            if (d < 0.5f)
                blend(x, y, color, std::min(0.5f - d, 1.0f));
        }
}

void Canvas::clear(Color color)
{
    for (int y = clip_.top; y < clip_.bottom; y++)
        std::fill_n(pixels_.begin() + static_cast<std::ptrdiff_t>(y) * width_ + clip_.left, std::max(clip_.width(), 0),
                    packed(color));
}

void Canvas::fill_box(const Box &b, Color top, Color bottom)
{
    const PixelRect bounds = PixelRect{b.left, b.top, b.right, b.bottom}.within(clip_);
    const int corner = static_cast<int>(std::ceil(b.radius));
    for (int y = bounds.top; y < bounds.bottom; y++) {
        const float share = (static_cast<float>(y - b.top) + 0.5f) / static_cast<float>(b.bottom - b.top);
        const Color color = mixed(top, bottom, share);
        const bool straight = y >= b.top + corner && y < b.bottom - corner;
        for (int x = bounds.left; x < bounds.right; x++) {
            if (straight || (x >= b.left + corner && x < b.right - corner)) {
                blend(x, y, color, 1);
                continue;
            }
            const float d = to_box(static_cast<float>(x) + 0.5f - b.x(), static_cast<float>(y) + 0.5f - b.y(),
                                   b.half_width(), b.half_height(), b.radius);
            if (d < 0.5f)
                blend(x, y, color, std::min(0.5f - d, 1.0f));
        }
    }
}

void Canvas::fill(const Rect &rect, Color color, float radius) { fill_box(box(rect, radius), color, color); }

void Canvas::gradient(const Rect &rect, Color top, Color bottom, float radius)
{
    fill_box(box(rect, radius), top, bottom);
}

void Canvas::outline(const Rect &rect, Color color, float width, float radius)
{
    const Box b = box(rect, radius);
    const float thick = std::max(1.0f, std::round(width * scale_));
    shade({b.left, b.top, b.right, b.bottom}, color, [&](float x, float y) {
        const float d = to_box(x - b.x(), y - b.y(), b.half_width(), b.half_height(), b.radius);
        return std::max(d, -d - thick); // the band between the edge and `thick` inside
    });
}

void Canvas::shadow(const Rect &rect, Color color, float radius, float blur)
{
    const Box b = box(rect, radius);
    const float reach = blur * scale_;
    PixelRect bounds = around(static_cast<float>(b.left) - reach, static_cast<float>(b.top) - reach,
                              static_cast<float>(b.right) + reach, static_cast<float>(b.bottom) + reach);
    bounds = bounds.within(clip_);
    for (int y = bounds.top; y < bounds.bottom; y++)
        for (int x = bounds.left; x < bounds.right; x++) {
            const float d = to_box(static_cast<float>(x) + 0.5f - b.x(), static_cast<float>(y) + 0.5f - b.y(),
                                   b.half_width(), b.half_height(), b.radius);
            const float share = std::clamp(0.5f - d / (2 * reach), 0.0f, 1.0f);
            if (share > 0)
                blend(x, y, color, share * share * (3 - 2 * share));
        }
}

void Canvas::line(Point from, Point to, Color color, float width)
{
    const Point a{from.x * scale_, from.y * scale_}, b{to.x * scale_, to.y * scale_};
    const float half = std::max(width * scale_, 1.0f) / 2;
    shade(around(std::min(a.x, b.x) - half - 1, std::min(a.y, b.y) - half - 1, std::max(a.x, b.x) + half + 1,
                 std::max(a.y, b.y) + half + 1),
          color, [&](float x, float y) { return to_segment({x, y}, a, b) - half; });
}

void Canvas::disc(Point centre, float radius, Color color)
{
    const float cx = centre.x * scale_, cy = centre.y * scale_, r = radius * scale_;
    shade(around(cx - r - 1, cy - r - 1, cx + r + 1, cy + r + 1), color,
          [&](float x, float y) { return std::hypot(x - cx, y - cy) - r; });
}

void Canvas::arc(Point centre, float radius, float from, float to, Color color, float width)
{
    const float cx = centre.x * scale_, cy = centre.y * scale_, r = radius * scale_;
    const float half = std::max(width * scale_, 1.0f) / 2, middle = (from + to) / 2, spread = (to - from) / 2;
    const Point a{cx + r * std::sin(from), cy - r * std::cos(from)}, b{cx + r * std::sin(to), cy - r * std::cos(to)};
    shade(around(cx - r - half - 1, cy - r - half - 1, cx + r + half + 1, cy + r + half + 1), color,
          [&](float x, float y) {
              constexpr float turn = 6.28318531f;
              const float off = std::remainder(std::atan2(x - cx, cy - y) - middle, turn);
              if (std::fabs(off) <= spread)
                  return std::fabs(std::hypot(x - cx, y - cy) - r) - half;
              return std::min(std::hypot(x - a.x, y - a.y), std::hypot(x - b.x, y - b.y)) - half;
          });
}

float Canvas::text_width(const std::string &text, const TextStyle &style)
{
    Font &face = font(style.weight);
    const float pixels = style.size * scale_;
    float width = 0;
    int before = -1;
    for (std::size_t at = 0; at < text.size();) {
        const int index = face.index(next_character(text, at));
        if (before >= 0)
            width += face.kerning(before, index, pixels);
        width += face.advance(index, pixels);
        before = index;
    }
    return width / scale_;
}

float Canvas::text(Point at, const std::string &text, const TextStyle &style, Align align)
{
    Font &face = font(style.weight);
    const float pixels = style.size * scale_, width = text_width(text, style);
    const float back = align == Align::centre ? width / 2 : align == Align::right ? width : 0.0f;
    const int base = static_cast<int>(std::lround(at.y * scale_ + face.capital_height(pixels) / 2));
    float pen = (at.x - back) * scale_;
    int before = -1;
    for (std::size_t i = 0; i < text.size();) {
        const int index = face.index(next_character(text, i));
        if (before >= 0)
            pen += face.kerning(before, index, pixels);
        const float quarters = std::floor(pen * Font::steps + 0.5f);
        const int left = static_cast<int>(std::floor(quarters / Font::steps));
        const Glyph &glyph = face.glyph(index, pixels, static_cast<int>(quarters) - left * Font::steps);
        const int x0 = left + glyph.left, y0 = base + glyph.top;
        const PixelRect seen = PixelRect{x0, y0, x0 + glyph.width, y0 + glyph.height}.within(clip_);
        for (int y = seen.top; y < seen.bottom; y++)
            for (int x = seen.left; x < seen.right; x++) {
                const std::size_t from = static_cast<std::size_t>(y - y0) * static_cast<std::size_t>(glyph.width) +
                                         static_cast<std::size_t>(x - x0);
                if (glyph.coverage[from])
                    blend(x, y, style.color, static_cast<float>(glyph.coverage[from]) / 255);
            }
        pen += face.advance(index, pixels);
        before = index;
    }
    return width;
}

// Bytes of its beginning that are no wider than that: whole characters.
std::size_t Canvas::length_within(const std::string &text, const TextStyle &style, float width)
{
    std::size_t length = 0;
    for (std::size_t at = 0; at < text.size(); length = at) {
        next_character(text, at);
        if (text_width(text.substr(0, at), style) > width)
            break;
    }
    return length;
}

std::string Canvas::fitted(const std::string &text, const TextStyle &style, float width)
{
    if (text_width(text, style) <= width)
        return text;
    const std::string dots = "\u2026";
    return text.substr(0, length_within(text, style, width - text_width(dots, style))) + dots;
}

std::vector<std::string> Canvas::wrapped(const std::string &text, const TextStyle &style, float width)
{
    std::vector<std::string> lines{""};
    for (std::size_t at = 0; at <= text.size();) {
        std::size_t end = text.find_first_of(" \n", at);
        end = end == std::string::npos ? text.size() : end;
        std::string word = text.substr(at, end - at);
        const std::string longer = lines.back().empty() ? word : lines.back() + " " + word;
        if (text_width(longer, style) <= width) {
            lines.back() = longer;
        } else {
            if (!lines.back().empty())
                lines.emplace_back();
            while (text_width(word, style) > width) {
                std::size_t length = std::max(length_within(word, style, width), std::size_t{1});
                const std::size_t slash = word.find_last_of("/\\", length - 1);
                if (slash != std::string::npos && slash > 0)
                    length = slash + 1;
                lines.back() = word.substr(0, length);
                lines.emplace_back();
                word = word.substr(length);
            }
            lines.back() = word;
        }
        if (end < text.size() && text[end] == '\n')
            lines.emplace_back();
        at = end + 1;
    }
    return lines;
}

} // namespace spleeterrt::editor
