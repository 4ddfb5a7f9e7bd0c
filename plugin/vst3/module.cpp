// What a host looks up by name in the binary; and where the binary lies.
#include "module.h"

#include "factory.h"

#include <travesty/base.h>

#if defined(_WIN32)
#include <filesystem>
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#if defined(_WIN32)
#define EXPORT extern "C" __declspec(dllexport)
#else
#define EXPORT extern "C" __attribute__((visibility("default")))
#endif

EXPORT void *V3_API GetPluginFactory();
void *V3_API GetPluginFactory() { return spleeterrt::plugin::vst3::factory(); }

// Nothing is to be done when the module comes and goes: instances bring their own, and leave nothing.
#if defined(_WIN32)
EXPORT bool InitDll();
EXPORT bool ExitDll();
bool InitDll() { return true; }
bool ExitDll() { return true; }
#elif defined(__APPLE__)
EXPORT bool bundleEntry(void *bundle);
EXPORT bool bundleExit();
bool bundleEntry(void *) { return true; }
bool bundleExit() { return true; }
#else
EXPORT bool ModuleEntry(void *library);
EXPORT bool ModuleExit();
bool ModuleEntry(void *) { return true; }
bool ModuleExit() { return true; }
#endif

namespace spleeterrt::plugin::vst3 {

std::string binary_path()
{
#if defined(_WIN32)
    HMODULE module = nullptr;
    const auto *inside = reinterpret_cast<LPCWSTR>(reinterpret_cast<void *>(&GetPluginFactory));
    constexpr DWORD flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (!GetModuleHandleExW(flags, inside, &module))
        return "";
    std::wstring path(32768, L'\0'); // the longest that there is
    path.resize(GetModuleFileNameW(module, path.data(), static_cast<DWORD>(path.size())));
    return std::filesystem::path(path).u8string();
#else
    Dl_info info = {};
    return dladdr(reinterpret_cast<void *>(&GetPluginFactory), &info) && info.dli_fname ? info.dli_fname : "";
#endif
}

} // namespace spleeterrt::plugin::vst3
