// Loading a VST3 module: a shared library with functions of known names.
#ifndef SPLEETERRT_TESTS_VST3_MODULE_H
#define SPLEETERRT_TESTS_VST3_MODULE_H

#include "library.h"

#include <travesty/factory.h>

namespace host {

class Module {
public:
    explicit Module(const std::string &path) : library_(path)
    {
#if defined(_WIN32)
        if (auto enter = library_.find<bool (*)()>("InitDll"))
            enter();
#else
        auto enter = library_.find<bool (*)(void *)>("ModuleEntry");
        if (!enter || !enter(library_.handle()) || !library_.find<bool (*)()>("ModuleExit"))
            throw std::runtime_error("no ModuleEntry and ModuleExit");
#endif
        auto get = library_.find<v3_plugin_factory **(V3_API *)()>("GetPluginFactory");
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
        if (auto leave = library_.find<bool (*)()>("ExitDll"))
            leave();
#else
        library_.find<bool (*)()>("ModuleExit")();
#endif
    }

    v3_plugin_factory **factory = nullptr;

private:
    Library library_;
};

} // namespace host

#endif
