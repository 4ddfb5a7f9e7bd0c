#include "factory.h"

#include "effect.h"

#include <travesty/factory.h>

#include <algorithm>
#include <new>

namespace spleeterrt::plugin::vst3 {
namespace {

constexpr char category[] = "Audio Module Class", sub_categories[] = "Fx|Restoration", sdk[] = "VST 3.7.4";
constexpr int32_t many_instances = 0x7FFFFFFF, unicode = 1 << 4;

// Lives as long as the module, whatever is counted.
struct Factory : Counted {
    Interface interface;

    Interface *query(const v3_tuid iid)
    {
        for (const auto &known :
             {v3_funknown_iid, v3_plugin_factory_iid, v3_plugin_factory_2_iid, v3_plugin_factory_3_iid})
            if (v3_tuid_match(iid, known))
                return &interface;
        return nullptr;
    }
    uint32_t release() { return drop(); }
};

// Windows writes the first half of identifiers in little endian, as its own COM does: projects name the same one.
void copy_id(const Product &product, v3_tuid id)
{
#if V3_COM_COMPAT
    constexpr int order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    for (int i = 0; i < 16; i++)
        id[i] = product.vst3[order[i]];
#else
    std::copy_n(product.vst3, 16, id);
#endif
}

const Product *product_of(int32_t index) { return index < 0 || index >= n_products ? nullptr : &products[index]; }

v3_result V3_API get_factory_info(void *, v3_factory_info *info)
{
    if (!info)
        return bad_argument;
    *info = {};
    copy_text(info->vendor, vendor);
    copy_text(info->url, homepage);
    info->flags = unicode;
    return ok;
}

int32_t V3_API num_classes(void *) { return n_products; }

template <typename Info> v3_result describe(int32_t index, Info *info)
{
    const Product *product = product_of(index);
    if (!product || !info)
        return bad_argument;
    *info = {};
    copy_id(*product, info->class_id);
    info->cardinality = many_instances;
    copy_text(info->category, category);
    copy_text(info->name, product->name);
    return ok;
}

template <typename Info> v3_result describe_more(int32_t index, Info *info)
{
    if (const v3_result result = describe(index, info))
        return result;
    copy_text(info->sub_categories, sub_categories);
    copy_text(info->vendor, vendor);
    copy_text(info->version, PLUGIN_VERSION);
    copy_text(info->sdk_version, sdk);
    return ok;
}

v3_result V3_API get_class_info(void *, int32_t index, v3_class_info *info) { return describe(index, info); }
v3_result V3_API get_class_info_2(void *, int32_t index, v3_class_info_2 *info) { return describe_more(index, info); }
v3_result V3_API get_class_info_utf16(void *, int32_t index, v3_class_info_3 *info)
{
    return describe_more(index, info);
}

v3_result V3_API create_instance(void *, const v3_tuid class_id, const v3_tuid iid, void **instance)
{
    if (!class_id || !iid || !instance)
        return bad_argument;
    *instance = nullptr;
    for (const Product &product : products) {
        v3_tuid id;
        copy_id(product, id);
        if (!v3_tuid_match(id, class_id))
            continue;
        try {
            auto *effect = new Effect(product);
            *instance = effect->query(iid);
            if (*instance)
                effect->retain();
            effect->release();
        } catch (const std::bad_alloc &) {
            return no_memory;
        }
        return *instance ? ok : no_interface;
    }
    return no_interface;
}

// Instances get the host's context when they are initialised.
v3_result V3_API set_host_context(void *, v3_funknown **) { return ok; }

const v3_plugin_factory_cpp table = {Unknown<Factory>::table,
                                     {get_factory_info, num_classes, get_class_info, create_instance},
                                     {get_class_info_2},
                                     {get_class_info_utf16, set_host_context}};

} // namespace

void *factory()
{
    static Factory only;
    only.interface = {&table, &only};
    only.retain();
    return &only.interface;
}

} // namespace spleeterrt::plugin::vst3
