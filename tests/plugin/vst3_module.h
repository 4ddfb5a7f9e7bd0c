// Loading a VST3 module: a shared library with functions of known names.
#ifndef SPLEETERRT_TESTS_VST3_MODULE_H
#define SPLEETERRT_TESTS_VST3_MODULE_H

#include <travesty/factory.h>

#include <stdexcept>
#include <string>

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace host {

class Module {
public:
    explicit Module(const std::string &path)
    {
#if defined(_WIN32)
        library_ = reinterpret_cast<void *>(LoadLibraryA(path.c_str()));
        if (!library_)
            throw std::runtime_error(path + " cannot be loaded: " + std::to_string(GetLastError()));
        if (auto enter = function<bool (*)()>("InitDll"))
            enter();
#else
        library_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!library_)
            throw std::runtime_error(dlerror());
        auto enter = function<bool (*)(void *)>("ModuleEntry");
        if (!enter || !enter(library_) || !function<bool (*)()>("ModuleExit"))
            throw std::runtime_error("no ModuleEntry and ModuleExit");
#endif
        auto get = function<v3_plugin_factory **(V3_API *)()>("GetPluginFactory");
        factory = get ? get() : nullptr;
        if (!factory)
            throw std::runtime_error("no factory");
    }
    Module(const Module &) = delete;
    Module &operator=(const Module &) = delete;
    ~Module()
    {
        v3_cpp_obj_unref(factory);
#if defined(_WIN32)
        if (auto leave = function<bool (*)()>("ExitDll"))
            leave();
        FreeLibrary(static_cast<HMODULE>(library_));
#else
        function<bool (*)()>("ModuleExit")();
        dlclose(library_);
#endif
    }

    v3_plugin_factory **factory = nullptr;

private:
    template <typename Function> Function function(const char *name)
    {
#if defined(_WIN32)
        return reinterpret_cast<Function>(
            reinterpret_cast<void *>(GetProcAddress(static_cast<HMODULE>(library_), name)));
#else
        return reinterpret_cast<Function>(dlsym(library_, name));
#endif
    }

    void *library_ = nullptr;
};

} // namespace host

#endif
