// A shared library that is looked for at run time.
#ifndef SPLEETERRT_LIVE_LIBRARY_H
#define SPLEETERRT_LIVE_LIBRARY_H

#include <stdexcept>
#include <string>
#include <vector>

#if defined(_WIN32)
#include "win32.h"
#else
#include <dlfcn.h>
#endif

namespace spleeterrt {

// Stays loaded for good: audio libraries leave threads behind.
class Library {
public:
    // The first of the names that can be loaded. Throws std::runtime_error.
    explicit Library(const std::vector<std::string> &names)
    {
        for (const std::string &name : names) {
#if defined(_WIN32)
            handle_ = load(name);
#else
            handle_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
#endif
            if (handle_)
                return;
        }
        std::string all;
        for (const std::string &name : names)
            all += (all.empty() ? "" : ", ") + name;
        throw std::runtime_error("library not found (" + all + ")");
    }

    template <typename Function> void find(Function &function, const char *name) const
    {
        if (!try_find(function, name))
            throw std::runtime_error(std::string("the library has no function ") + name);
    }

    template <typename Function> bool try_find(Function &function, const char *name) const
    {
#if defined(_WIN32)
        function = find_function<Function>(handle_, name);
#else
        function = reinterpret_cast<Function>(dlsym(handle_, name));
#endif
        return function != nullptr;
    }

private:
#if defined(_WIN32)
    // A plain name: from the system's folders, the program's, and those of PATH; never from the current folder, which
    // anybody's files may lie in.
    static HMODULE load(const std::string &name)
    {
        const std::wstring wide = widened(name);
        if (name.find_first_of("/\\") == std::string::npos) {
            if (const HMODULE found = LoadLibraryExW(wide.c_str(), nullptr, LOAD_LIBRARY_SEARCH_DEFAULT_DIRS))
                return found;
            std::vector<wchar_t> folders(1 << 15), path(1 << 15); // as long as Windows' variables and paths may be
            const DWORD most = static_cast<DWORD>(folders.size());
            const DWORD length = GetEnvironmentVariableW(L"PATH", folders.data(), most);
            if (!length || length >= most ||
                !SearchPathW(folders.data(), wide.c_str(), nullptr, most, path.data(), nullptr))
                return nullptr;
            return LoadLibraryExW(path.data(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
        }
        return LoadLibraryExW(wide.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
    }

    HMODULE handle_ = nullptr;
#else
    void *handle_ = nullptr;
#endif
};

} // namespace spleeterrt

#endif
