#include "editor/font.h"

#include <cmath>
#include <unordered_map>

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#define STBTT_STATIC
#define STB_TRUETYPE_IMPLEMENTATION
#include <stb_truetype.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace spleeterrt::editor {

struct Font::Face {
    stbtt_fontinfo info{};
    std::unordered_map<std::uint64_t, Glyph> glyphs;
    float scale(float pixels) const { return stbtt_ScaleForMappingEmToPixels(&info, pixels); }
};

Font::Font(const unsigned char *file) : face_(std::make_unique<Face>())
{
    stbtt_InitFont(&face_->info, file, stbtt_GetFontOffsetForIndex(file, 0));
}

Font::~Font() = default;

int Font::index(std::uint32_t character) const
{
    return stbtt_FindGlyphIndex(&face_->info, static_cast<int>(character));
}

float Font::advance(int index, float pixels) const
{
    int advance = 0, bearing = 0;
    stbtt_GetGlyphHMetrics(&face_->info, index, &advance, &bearing);
    return static_cast<float>(advance) * face_->scale(pixels);
}

float Font::kerning(int first, int second, float pixels) const
{
    return static_cast<float>(stbtt_GetGlyphKernAdvance(&face_->info, first, second)) * face_->scale(pixels);
}

float Font::ascent(float pixels) const
{
    int ascent = 0, descent = 0, gap = 0;
    stbtt_GetFontVMetrics(&face_->info, &ascent, &descent, &gap);
    return static_cast<float>(ascent) * face_->scale(pixels);
}

float Font::capital_height(float pixels) const
{
    int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
    stbtt_GetGlyphBox(&face_->info, index('H'), &x0, &y0, &x1, &y1);
    return static_cast<float>(y1) * face_->scale(pixels);
}

const Glyph &Font::glyph(int index, float pixels, int step)
{
    // Sizes to 1/64 pixel: 20 bits are enough for 16,000 pixels.
    const auto size = static_cast<std::uint64_t>(std::lround(pixels * 64));
    const std::uint64_t key = static_cast<std::uint64_t>(index) << 24 | size << 2 | static_cast<std::uint64_t>(step);
    const auto found = face_->glyphs.find(key);
    if (found != face_->glyphs.end())
        return found->second;
    const float scale = face_->scale(pixels), shift = static_cast<float>(step) / steps;
    int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
    stbtt_GetGlyphBitmapBoxSubpixel(&face_->info, index, scale, scale, shift, 0, &x0, &y0, &x1, &y1);
    Glyph made;
    made.left = x0;
    made.top = y0;
    made.width = x1 - x0;
    made.height = y1 - y0;
    made.coverage.resize(static_cast<std::size_t>(made.width) * static_cast<std::size_t>(made.height));
    if (!made.coverage.empty())
        stbtt_MakeGlyphBitmapSubpixel(&face_->info, made.coverage.data(), made.width, made.height, made.width, scale,
                                      scale, shift, 0, index);
    return face_->glyphs.emplace(key, std::move(made)).first->second;
}

std::uint32_t next_character(const std::string &text, std::size_t &at)
{
    constexpr std::uint32_t none = 0xFFFD;
    const auto lead = static_cast<unsigned char>(text[at++]);
    if (lead < 0x80)
        return lead;
    const int more = lead >= 0xF0 && lead < 0xF8 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC2 ? 1 : 0;
    if (more == 0 || lead >= 0xF8)
        return none;
    std::uint32_t value = lead & (0x3Fu >> more);
    for (int i = 0; i < more; i++) {
        if (at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80)
            return none;
        value = value << 6 | (static_cast<unsigned char>(text[at++]) & 0x3Fu);
    }
    return value;
}

} // namespace spleeterrt::editor
