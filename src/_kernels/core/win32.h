// What Windows' functions want: wide characters, and functions that older systems lack.
#ifndef SPLEETERRT_WIN32_H
#define SPLEETERRT_WIN32_H

#include <windows.h>

#include <string>

namespace spleeterrt {

// A function of a library that is loaded; null: the library is not, or has none of that name.
template <typename Function> Function find_function(HMODULE library, const char *name)
{
    return library ? reinterpret_cast<Function>(reinterpret_cast<void *>(GetProcAddress(library, name))) : nullptr;
}

// UTF-8 in UTF-16; what is no UTF-8 becomes replacement characters.
inline std::wstring widened(const std::string &text)
{
    const int size = static_cast<int>(text.size());
    std::wstring wide(static_cast<std::size_t>(MultiByteToWideChar(CP_UTF8, 0, text.data(), size, nullptr, 0)), L'\0');
    if (!wide.empty())
        MultiByteToWideChar(CP_UTF8, 0, text.data(), size, &wide[0], static_cast<int>(wide.size()));
    return wide;
}

} // namespace spleeterrt

#endif
