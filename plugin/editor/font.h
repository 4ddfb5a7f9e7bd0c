// Glyphs of one typeface, drawn once per size and kept.
#ifndef SPLEETERRT_EDITOR_FONT_H
#define SPLEETERRT_EDITOR_FONT_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace spleeterrt::editor {

struct Glyph {
    int left = 0, top = 0; // of the bitmap, from the pen; y points down
    int width = 0, height = 0;
    std::vector<std::uint8_t> coverage; // [height][width]
};

class Font {
public:
    // The bytes of a TrueType file, which stay where they are.
    explicit Font(const unsigned char *file);
    ~Font();
    Font(const Font &) = delete;
    Font &operator=(const Font &) = delete;

    // A pen moves from glyph to glyph in fractions of a pixel; glyphs are drawn at quarters of one.
    static constexpr int steps = 4;
    const Glyph &glyph(int index, float pixels, int step);
    int index(std::uint32_t character) const; // the one for "not there" if it is not
    float advance(int index, float pixels) const;
    float kerning(int first, int second, float pixels) const;
    float ascent(float pixels) const;
    float capital_height(float pixels) const;

private:
    struct Face;
    std::unique_ptr<Face> face_;
};

// The character that begins at `at`, which moves behind it. What is no UTF-8 becomes U+FFFD.
std::uint32_t next_character(const std::string &text, std::size_t &at);

} // namespace spleeterrt::editor

#endif
