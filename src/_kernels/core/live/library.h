// A shared library that is looked for at run time.
#ifndef SPLEETERRT_LIVE_LIBRARY_H
#define SPLEETERRT_LIVE_LIBRARY_H

#include <stdexcept>
#include <string>
#include <vector>

#if defined(_WIN32)
#include <windows.h>
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
            handle_ = LoadLibraryA(name.c_str());
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
        function = reinterpret_cast<Function>(reinterpret_cast<void *>(GetProcAddress(handle_, name)));
#else
        function = reinterpret_cast<Function>(dlsym(handle_, name));
#endif
        return function != nullptr;
    }

private:
#if defined(_WIN32)
    HMODULE handle_ = nullptr;
#else
    void *handle_ = nullptr;
#endif
};

} // namespace spleeterrt

#endif
