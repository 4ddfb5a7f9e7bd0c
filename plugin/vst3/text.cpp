#include "com.h"

#include <algorithm>

namespace spleeterrt::plugin::vst3 {
namespace {

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// The character at `at`, which moves behind it.
uint32_t next_character(const std::string &text, size_t &at)
{
    const auto first = static_cast<unsigned char>(text[at++]);
    uint32_t code = first < 0x80 ? first : first < 0xE0 ? first & 0x1F : first < 0xF0 ? first & 0x0F : first & 0x07;
    while (at < text.size() && continues(text[at]))
        code = (code << 6) | (static_cast<unsigned char>(text[at++]) & 0x3F);
    return code;
}

void append(std::string &text, uint32_t code)
{
    if (code < 0x80) {
        text += static_cast<char>(code);
        return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    const uint32_t lead[] = {0, 0xC0, 0xE0, 0xF0};
    text += static_cast<char>(lead[more] | (code >> (6 * more)));
    for (int i = more - 1; i >= 0; i--)
        text += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
}

} // namespace

void copy_text(int16_t *to, size_t room, const std::string &text)
{
    size_t n = 0;
    for (size_t at = 0; at < text.size();) {
        const uint32_t code = next_character(text, at);
        const size_t units = code > 0xFFFF ? 2 : 1;
        if (n + units >= room)
            break;
        if (units == 2) {
            to[n++] = static_cast<int16_t>(0xD800 + ((code - 0x10000) >> 10));
            to[n++] = static_cast<int16_t>(0xDC00 + ((code - 0x10000) & 0x3FF));
        } else {
            to[n++] = static_cast<int16_t>(code);
        }
    }
    to[n] = 0;
}

void copy_text(char *to, size_t room, const std::string &text)
{
    size_t n = std::min(text.size(), room - 1);
    while (n && n < text.size() && continues(text[n]))
        n--;
    to[text.copy(to, n)] = 0;
}

std::string from_utf16(const int16_t *text, size_t room)
{
    std::string result;
    for (size_t i = 0; i < room && text[i]; i++) {
        uint32_t code = static_cast<uint16_t>(text[i]);
        if ((code & 0xFC00) == 0xD800 && i + 1 < room && (static_cast<uint16_t>(text[i + 1]) & 0xFC00) == 0xDC00)
            code = 0x10000 + ((code - 0xD800) << 10) + (static_cast<uint16_t>(text[++i]) - 0xDC00u);
        append(result, code);
    }
    return result;
}

} // namespace spleeterrt::plugin::vst3
