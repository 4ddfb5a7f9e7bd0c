// A shared library that is loaded while the program runs.
#ifndef SPLEETERRT_TESTS_LIBRARY_H
#define SPLEETERRT_TESTS_LIBRARY_H

#include <stdexcept>
#include <string>

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

class Library {
public:
    explicit Library(const std::string &path)
    {
#if defined(_WIN32)
        handle_ = reinterpret_cast<void *>(LoadLibraryA(path.c_str()));
        if (!handle_)
            throw std::runtime_error(path + " cannot be loaded: " + std::to_string(GetLastError()));
#else
        handle_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!handle_)
            throw std::runtime_error(dlerror());
#endif
    }
    Library(const Library &) = delete;
    Library &operator=(const Library &) = delete;
    ~Library()
    {
#if defined(_WIN32)
        FreeLibrary(static_cast<HMODULE>(handle_));
#else
        dlclose(handle_);
#endif
    }

    void *handle() const { return handle_; }
    // nullptr: there is none of that name. T: a pointer.
    template <typename T> T find(const char *name) const
    {
#if defined(_WIN32)
        return reinterpret_cast<T>(reinterpret_cast<void *>(GetProcAddress(static_cast<HMODULE>(handle_), name)));
#else
        return reinterpret_cast<T>(dlsym(handle_, name));
#endif
    }

private:
    void *handle_;
};

#endif
