// An LV2 host for tests: lv2_host BINARY < commands, which stand in `commands` below. It reads no description: who asks
// says which port is which, as the description has it.
#include "commands.h"

#include "library.h"

#include <lv2/atom/atom.h>
#include <lv2/buf-size/buf-size.h>
#include <lv2/core/lv2.h>
#include <lv2/options/options.h>
#include <lv2/state/state.h>
#include <lv2/urid/urid.h>

namespace host {
namespace {

struct Session {
    explicit Session(const std::string &path)
        : library(path), describe(library.find<LV2_Descriptor_Function>("lv2_descriptor"))
    {
        if (!describe)
            throw std::runtime_error("no lv2_descriptor");
    }
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;
    ~Session() { cleanup(); }

    void cleanup()
    {
        if (instance)
            plugin->cleanup(instance);
        instance = nullptr;
    }

    LV2_URID id(const std::string &uri)
    {
        const auto found = std::find(uris.begin(), uris.end(), uri);
        const auto index = static_cast<LV2_URID>(found - uris.begin());
        if (found == uris.end())
            uris.push_back(uri);
        return index + 1;
    }

    const Library library;
    LV2_Descriptor_Function describe;
    const LV2_Descriptor *plugin = nullptr;
    LV2_Handle instance = nullptr;
    std::vector<std::string> uris;
    int32_t most = 0, usual = 0;
    double rate = 44100;
    std::vector<float> controls = std::vector<float>(128);
    std::vector<int> audio_in, audio_out;
    bool in_place = false;
};

template <typename Type> const Type *extension(Session &s, const char *uri)
{
    return static_cast<const Type *>(s.plugin->extension_data(uri));
}

LV2_URID map_uri(LV2_URID_Map_Handle handle, const char *uri) { return static_cast<Session *>(handle)->id(uri); }

// create URI RATE FEATURES [MOST USUAL]: FEATURES: letters, m: URIDs, o: options with block lengths; "-": none.
Json create(Session &s, Words &words)
{
    s.cleanup();
    const auto uri = next<std::string>(words);
    for (uint32_t i = 0; (s.plugin = s.describe(i)) != nullptr && uri != s.plugin->URI; i++) {
    }
    if (!s.plugin)
        throw std::runtime_error("no plugin " + uri);
    s.rate = next<double>(words);
    const auto wanted = next<std::string>(words);
    s.most = next<int32_t>(words);
    s.usual = next<int32_t>(words);
    LV2_URID_Map map = {&s, map_uri};
    const LV2_URID integer = s.id(LV2_ATOM__Int);
    const auto option = [&](const char *key, const int32_t &value) {
        return LV2_Options_Option{LV2_OPTIONS_INSTANCE, 0, value ? s.id(key) : 0, sizeof(int32_t), integer, &value};
    };
    const LV2_Options_Option options[] = {option(LV2_BUF_SIZE__maxBlockLength, s.most),
                                          option(LV2_BUF_SIZE__nominalBlockLength, s.usual),
                                          {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, nullptr}};
    const LV2_Feature map_feature = {LV2_URID__map, &map},
                      options_feature = {LV2_OPTIONS__options, const_cast<LV2_Options_Option *>(options)};
    std::vector<const LV2_Feature *> features;
    if (wanted.find('m') != std::string::npos)
        features.push_back(&map_feature);
    if (wanted.find('o') != std::string::npos)
        features.push_back(&options_feature);
    features.push_back(nullptr);
    const bool none = wanted == "null"; // hosts ought to give a list, but not all do
    s.instance = s.plugin->instantiate(s.plugin, s.rate, "", none ? nullptr : features.data());
    return Json(s.instance != nullptr);
}

// ports CONTROLS AUDIO_IN AUDIO_OUT: how many control ports from which index on are connected, and the audio ports.
Json ports(Session &s, Words &words)
{
    for (const int port : numbers_of(next<std::string>(words)))
        s.plugin->connect_port(s.instance, static_cast<uint32_t>(port), &s.controls[static_cast<size_t>(port)]);
    s.audio_in = numbers_of(next<std::string>(words));
    s.audio_out = numbers_of(next<std::string>(words)); // negative: not connected
    return Json(0);
}

Json render(Session &s, Words &words)
{
    Rendering rendering(words);
    const auto largest = static_cast<size_t>(rendering.largest());
    std::vector<std::vector<float>> in(2, std::vector<float>(largest)), out(s.audio_out.size(), in[0]);
    std::vector<float *> pointers;
    for (size_t c = 0; c < out.size(); c++)
        pointers.push_back(s.in_place && c < 2 ? in[c].data() : out[c].data());
    for (size_t c = 0; c < 2; c++)
        s.plugin->connect_port(s.instance, static_cast<uint32_t>(s.audio_in[c]), in[c].data());
    for (size_t c = 0; c < out.size(); c++)
        s.plugin->connect_port(s.instance, static_cast<uint32_t>(std::abs(s.audio_out[c])),
                               s.audio_out[c] < 0 ? nullptr : pointers[c]);
    rendering.run(s.rate, [&](long long at, int n) {
        rendering.fill(in, at, n);
        if (!s.in_place)
            for (auto &channel : out)
                std::fill(channel.begin(), channel.end(), 9.0f);
        rendering.call([&] { s.plugin->run(s.instance, static_cast<uint32_t>(n)); });
        rendering.take(pointers, n);
    });
    return rendering.report();
}

// --- state ---

struct Stored {
    std::string key, type, value;
    uint32_t flags;
};

LV2_State_Status store(LV2_State_Handle handle, uint32_t key, const void *value, size_t size, uint32_t type,
                       uint32_t flags)
{
    auto *both = static_cast<std::pair<Session *, std::vector<Stored>> *>(handle);
    const auto &uris = both->first->uris;
    both->second.push_back({uris.at(key - 1), uris.at(type - 1), {static_cast<const char *>(value), size}, flags});
    return LV2_STATE_SUCCESS;
}

Json save(Session &s, Words &)
{
    std::pair<Session *, std::vector<Stored>> stored{&s, {}};
    const LV2_Feature *const none[] = {nullptr};
    const auto *state = extension<LV2_State_Interface>(s, LV2_STATE__interface);
    const int result = state->save(s.instance, store, &stored, LV2_STATE_IS_POD, none);
    Json list = Json::array();
    for (const Stored &one : stored.second)
        list.push(Json::object()
                      .add("key", one.key)
                      .add("type", one.type)
                      .add("value", one.value.c_str())
                      .add("terminated", !one.value.empty() && one.value.back() == 0)
                      .add("flags", static_cast<int>(one.flags)));
    return Json::object().add("result", result).add("stored", list);
}

struct Kept {
    uint32_t key, type;
    std::string value;
};

const void *retrieve(LV2_State_Handle handle, uint32_t key, size_t *size, uint32_t *type, uint32_t *flags)
{
    const auto &kept = *static_cast<Kept *>(handle);
    if (kept.value.empty() || key != kept.key)
        return nullptr;
    *size = kept.value.size() + 1;
    *type = kept.type;
    *flags = LV2_STATE_IS_POD;
    return kept.value.c_str();
}

// restore KEY TYPE VALUE; without a value: a state that does not have the key.
Json restore(Session &s, Words &words)
{
    Kept kept = {s.id(next<std::string>(words)), s.id(next<std::string>(words)), next<std::string>(words)};
    const LV2_Feature *const none[] = {nullptr};
    const auto *state = extension<LV2_State_Interface>(s, LV2_STATE__interface);
    return Json(static_cast<int>(state->restore(s.instance, retrieve, &kept, 0, none)));
}

// --- options ---

// options URI VALUE: sets one, by its result; and what is there then.
Json set_option(Session &s, Words &words)
{
    const LV2_URID key = s.id(next<std::string>(words)), integer = s.id(LV2_ATOM__Int);
    const auto value = next<int32_t>(words);
    const LV2_Options_Option end = {LV2_OPTIONS_INSTANCE, 0, 0, 0, 0, nullptr};
    const LV2_Options_Option list[] = {{LV2_OPTIONS_INSTANCE, 0, key, sizeof(int32_t), integer, &value}, end};
    LV2_Options_Option asked[] = {{LV2_OPTIONS_INSTANCE, 0, key, 0, 0, nullptr}, end};
    const auto *options = extension<LV2_Options_Interface>(s, LV2_OPTIONS__interface);
    const auto result = static_cast<int>(options->set(s.instance, list));
    const auto got = static_cast<int>(options->get(s.instance, asked));
    return Json::object()
        .add("result", result)
        .add("got", got)
        .add("value", asked[0].value ? *static_cast<const int32_t *>(asked[0].value) : -1);
}

const Commands<Session> &commands()
{
    static const Commands<Session> all = {
        {"uris",
         [](Session &s, Words &) {
             Json list = Json::array();
             for (uint32_t i = 0; const auto *descriptor = s.describe(i); i++)
                 list.push(Json(descriptor->URI));
             return list;
         }},
        {"create", create},
        {"ports", ports},
        {"control", // control INDEX VALUE
         [](Session &s, Words &w) {
             const auto index = next<size_t>(w);
             s.controls.at(index) = next<float>(w);
             return Json(0);
         }},
        {"read", [](Session &s, Words &w) { return Json(static_cast<double>(s.controls.at(next<size_t>(w)))); }},
        {"activate", [](Session &s, Words &) { return s.plugin->activate(s.instance), Json(0); }},
        {"deactivate", [](Session &s, Words &) { return s.plugin->deactivate(s.instance), Json(0); }},
        {"cleanup", [](Session &s, Words &) { return s.cleanup(), Json(0); }},
        {"nothing", [](Session &s, Words &) { return s.plugin->run(s.instance, 0), Json(0); }}, // no samples
        {"run", // run SAMPLES: with what is connected
         [](Session &s, Words &w) { return s.plugin->run(s.instance, next<uint32_t>(w)), Json(0); }},
        {"render", render},
        {"in_place", [](Session &s, Words &w) { return s.in_place = next<int>(w) != 0, Json(0); }},
        {"save", save},
        {"restore", restore},
        {"option", set_option},
        {"unknown", [](Session &s, Words &) { return Json(s.plugin->extension_data("urn:nothing") == nullptr); }},
    };
    return all;
}

int run(const std::string &path)
{
    Session session(path);
    serve(session, commands());
    return 0;
}

} // namespace
} // namespace host

int main(int count, char **arguments) { return host::main_of(count, arguments, host::run); }
