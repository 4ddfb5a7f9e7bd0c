// What a host finds in the file: the factory and the plugins that it makes.
#include "clap/entry.h"

#include "clap/adapter.h"
#include "clap/plugin-factory.h"
#include "clap/plugin-features.h"

#include <new>
#include <string>

namespace spleeterrt::plugin {
namespace {

std::string &binary() // the file, as the host has named it
{
    static std::string path;
    return path;
}

clap_plugin_descriptor_t descriptor_of(const Product &product)
{
    static const char *features[] = {CLAP_PLUGIN_FEATURE_AUDIO_EFFECT, CLAP_PLUGIN_FEATURE_STEREO,
                                     CLAP_PLUGIN_FEATURE_UTILITY, nullptr};
    return {CLAP_VERSION_INIT, product.id, product.name,   vendor,      homepage,
            homepage,          homepage,   PLUGIN_VERSION, description, features};
}

const clap_plugin_descriptor_t *descriptors()
{
    static_assert(n_products == 3, "one descriptor per product");
    static const clap_plugin_descriptor_t all[n_products] = {descriptor_of(products[0]), descriptor_of(products[1]),
                                                             descriptor_of(products[2])};
    return all;
}

const clap_plugin_t *create(const clap_plugin_factory_t *, const clap_host_t *host, const char *id)
{
    const Product *product = product_of_id(id);
    if (!product || !host || !clap_version_is_compatible(host->clap_version))
        return nullptr;
    try {
        return (new Adapter(host, descriptors()[product - products], *product, binary()))->plugin();
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

const clap_plugin_factory_t factory = {
    [](const clap_plugin_factory_t *) { return static_cast<uint32_t>(n_products); },
    [](const clap_plugin_factory_t *, uint32_t index) { return index < n_products ? descriptors() + index : nullptr; },
    create};

} // namespace
} // namespace spleeterrt::plugin

using namespace spleeterrt::plugin;

extern "C" CLAP_EXPORT const clap_plugin_entry_t clap_entry = {
    CLAP_VERSION_INIT,
    [](const char *path) {
        binary() = path ? path : "";
        return true;
    },
    [] {},
    [](const char *id) -> const void * {
        return id && std::string(id) == CLAP_PLUGIN_FACTORY_ID ? &factory : nullptr;
    }};
