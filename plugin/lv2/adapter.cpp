// The LV2 plugin. Nothing is required of hosts: without options, URIDs or a state the plugin works as well.
#include "features.h"
#include "instance.h"
#include "ports.h"

#include "shell/shell.h"

#include <lv2/atom/atom.h>
#include <lv2/buf-size/buf-size.h>
#include <lv2/core/lv2.h>
#include <lv2/options/options.h>
#include <lv2/state/state.h>
#include <lv2/urid/urid.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace spleeterrt::plugin::lv2 {
namespace {

constexpr uint32_t usual_block = 1024, largest_block = 16384; // of hosts that say nothing

// What the host's numbers for URIs are; all 0 where it has none.
struct Uris {
    LV2_URID max_block = 0, nominal_block = 0, integer = 0, path = 0, model = 0;

    explicit Uris(const LV2_URID_Map *map)
    {
        if (!map)
            return;
        max_block = map->map(map->handle, LV2_BUF_SIZE__maxBlockLength);
        nominal_block = map->map(map->handle, LV2_BUF_SIZE__nominalBlockLength);
        integer = map->map(map->handle, LV2_ATOM__Int);
        path = map->map(map->handle, LV2_ATOM__Path);
        model = map->map(map->handle, model_key);
    }
};

// Models lie beside the binary.
std::string binary_in(const char *bundle) { return bundle && *bundle ? std::string(bundle) + "/spleeterrt" : ""; }

class Instance {
public:
    Instance(const Product &product, double rate, const char *bundle, const LV2_Feature *const *features)
        : shell_(product, LatencyChange::at_once, binary_in(bundle)), ports_(product),
          uris_(feature<const LV2_URID_Map>(features, LV2_URID__map)), rate_(rate),
          connected_(static_cast<std::size_t>(ports_.count), nullptr),
          read_(ports_.parameters.size(), std::numeric_limits<float>::quiet_NaN())
    {
        set_options(feature<const LV2_Options_Option>(features, LV2_OPTIONS__options));
    }

    void connect(uint32_t port, void *data)
    {
        if (port < connected_.size())
            connected_[port] = static_cast<float *>(data);
    }
    void activate() { shell_.activate(rate_, block(), largest()); } // ports need not be connected yet
    void deactivate() { shell_.deactivate(); }
    void run(uint32_t count);

    Shell &shell() { return shell_; }

    uint32_t set_options(const LV2_Options_Option *options);
    uint32_t get_options(LV2_Options_Option *options) const;

    LV2_State_Status save(LV2_State_Store_Function store, LV2_State_Handle state, const LV2_Feature *const *features);
    LV2_State_Status restore(LV2_State_Retrieve_Function retrieve, LV2_State_Handle state,
                             const LV2_Feature *const *features);

private:
    float *port(int index) const { return connected_[static_cast<std::size_t>(index)]; }
    // Blocks that the host usually sends decide the latency; longer ones are taken all the same.
    uint32_t block() const
    {
        const int32_t size = nominal_block_ > 0 ? nominal_block_ : max_block_;
        return size > 0 ? static_cast<uint32_t>(size) : usual_block;
    }
    uint32_t largest() const { return max_block_ > 0 ? static_cast<uint32_t>(max_block_) : largest_block; }
    void read_parameters();
    void tell();

    Shell shell_;
    const Ports ports_;
    const Uris uris_;
    const double rate_;
    int32_t max_block_ = 0, nominal_block_ = 0;
    std::vector<float *> connected_;
    std::vector<float> read_; // what the ports said last: a port that stays does not overrule others
};

// --- sound ---

void Instance::read_parameters()
{
    for (std::size_t i = 0; i < read_.size(); i++) {
        const float *control = port(ports_.first_parameter + static_cast<int>(i));
        if (!control || *control == read_[i])
            continue;
        read_[i] = *control;
        const bool inverted = ports_.parameters[i].kind == Kind::bypass; // the port is called "enabled"
        shell_.set_value(i, inverted ? (*control > 0 ? 0 : 1) : *control);
    }
    const float *rendering = port(ports_.free_wheel);
    shell_.set_offline(rendering && *rendering > 0);
}

void Instance::tell()
{
    if (float *latency = port(ports_.latency))
        *latency = static_cast<float>(shell_.latency());
    const Readings now = readings(shell_);
    for (int i = 0; i < Ports::n_shown; i++)
        if (float *shown = port(ports_.first_readout + i))
            *shown = static_cast<float>(now[static_cast<std::size_t>(Ports::shown[i])]);
}

void Instance::run(uint32_t count)
{
    read_parameters();
    const float *const input[] = {port(0), port(1)};
    if (count > 0)
        shell_.process(input, connected_.data() + 2, count);
    tell(); // without samples too: hosts ask for the latency that way
}

// --- options ---

uint32_t Instance::set_options(const LV2_Options_Option *options)
{
    uint32_t result = LV2_OPTIONS_SUCCESS;
    for (; options && (options->key || options->value); options++) {
        int32_t *wanted = nullptr;
        if (options->key && options->key == uris_.max_block)
            wanted = &max_block_;
        else if (options->key && options->key == uris_.nominal_block)
            wanted = &nominal_block_;
        if (!wanted)
            result |= LV2_OPTIONS_ERR_BAD_KEY;
        else if (options->type != uris_.integer || options->size != sizeof(int32_t) || !options->value)
            result |= LV2_OPTIONS_ERR_BAD_VALUE;
        else
            *wanted = *static_cast<const int32_t *>(options->value);
    }
    return result; // in effect from the next activation on
}

uint32_t Instance::get_options(LV2_Options_Option *options) const
{
    uint32_t result = LV2_OPTIONS_SUCCESS;
    for (; options->key || options->value; options++) {
        const bool most = options->key && options->key == uris_.max_block;
        if (!most && !(options->key && options->key == uris_.nominal_block)) {
            result |= LV2_OPTIONS_ERR_BAD_KEY;
            continue;
        }
        options->type = uris_.integer;
        options->size = sizeof(int32_t);
        options->value = most ? &max_block_ : &nominal_block_;
    }
    return result;
}

// --- state: the model's path; parameters are ports, which hosts store ---

struct Paths {
    explicit Paths(const LV2_Feature *const *features)
        : map(feature<const LV2_State_Map_Path>(features, LV2_STATE__mapPath)),
          freeing(feature<const LV2_State_Free_Path>(features, LV2_STATE__freePath))
    {
    }
    std::string taken(char *text) const
    {
        const std::string result = text ? text : "";
        if (freeing)
            freeing->free_path(freeing->handle, text);
        else
            std::free(text); // as hosts had it before there was a feature
        return result;
    }
    std::string stored(const std::string &path) const
    {
        return map && !path.empty() ? taken(map->abstract_path(map->handle, path.c_str())) : path;
    }
    std::string found(const std::string &path) const
    {
        return map && !path.empty() ? taken(map->absolute_path(map->handle, path.c_str())) : path;
    }

    const LV2_State_Map_Path *map;
    const LV2_State_Free_Path *freeing;
};

LV2_State_Status Instance::save(LV2_State_Store_Function store, LV2_State_Handle state,
                                const LV2_Feature *const *features)
{
    if (!uris_.model)
        return LV2_STATE_ERR_NO_FEATURE;
    const std::string path = Paths(features).stored(shell_.model());
    return path.empty() ? LV2_STATE_SUCCESS
                        : store(state, uris_.model, path.c_str(), path.size() + 1, uris_.path,
                                LV2_STATE_IS_POD | LV2_STATE_IS_PORTABLE);
}

LV2_State_Status Instance::restore(LV2_State_Retrieve_Function retrieve, LV2_State_Handle state,
                                   const LV2_Feature *const *features)
{
    if (!uris_.model)
        return LV2_STATE_ERR_NO_FEATURE;
    std::size_t size = 0;
    uint32_t type = 0, flags = 0;
    const auto *text = static_cast<const char *>(retrieve(state, uris_.model, &size, &type, &flags));
    if (text && type != uris_.path)
        return LV2_STATE_ERR_BAD_TYPE;
    const std::string path(text ? text : "", text ? strnlen(text, size) : 0);
    shell_.set_model(Paths(features).found(path));
    return LV2_STATE_SUCCESS;
}

// --- what hosts call ---

Instance &of(LV2_Handle handle) { return *static_cast<Instance *>(handle); }

LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate, const char *bundle,
                       const LV2_Feature *const *features)
{
    for (const Product &product : products)
        if (is_rate(rate) && std::strcmp(product.uri, descriptor->URI) == 0) {
            try {
                return new Instance(product, rate, bundle, features);
            } catch (const std::bad_alloc &) {
                return nullptr;
            }
        }
    return nullptr;
}

void connect_port(LV2_Handle handle, uint32_t port, void *data) { of(handle).connect(port, data); }
void activate(LV2_Handle handle) { of(handle).activate(); }
void run(LV2_Handle handle, uint32_t count) { of(handle).run(count); }
void deactivate(LV2_Handle handle) { of(handle).deactivate(); }
void cleanup(LV2_Handle handle) { delete static_cast<Instance *>(handle); }

uint32_t get(LV2_Handle handle, LV2_Options_Option *options) { return of(handle).get_options(options); }
uint32_t set(LV2_Handle handle, const LV2_Options_Option *options) { return of(handle).set_options(options); }

LV2_State_Status save(LV2_Handle handle, LV2_State_Store_Function store, LV2_State_Handle state, uint32_t,
                      const LV2_Feature *const *features)
{
    return of(handle).save(store, state, features);
}

LV2_State_Status restore(LV2_Handle handle, LV2_State_Retrieve_Function retrieve, LV2_State_Handle state, uint32_t,
                         const LV2_Feature *const *features)
{
    return of(handle).restore(retrieve, state, features);
}

const void *extension_data(const char *uri)
{
    static const LV2_Options_Interface options = {get, set};
    static const LV2_State_Interface state = {save, restore};
    if (std::strcmp(uri, LV2_OPTIONS__interface) == 0)
        return &options;
    return std::strcmp(uri, LV2_STATE__interface) == 0 ? &state : nullptr;
}

LV2_Descriptor describe(const Product &product)
{
    return {product.uri, instantiate, connect_port, activate, run, deactivate, cleanup, extension_data};
}

} // namespace

Shell &shell_of(void *handle) { return of(handle).shell(); }

} // namespace spleeterrt::plugin::lv2

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index)
{
    using namespace spleeterrt::plugin;
    static const LV2_Descriptor descriptors[n_products] = {lv2::describe(products[0]), lv2::describe(products[1]),
                                                           lv2::describe(products[2])};
    return index < n_products ? &descriptors[index] : nullptr;
}
