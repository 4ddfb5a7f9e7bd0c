// A VST3 host that does what it is told, a command per line of its input, and answers each with a line of JSON:
//
//     vst3_host MODULE < commands
//
// The commands stand in `commands` below. What the plugin answers is not judged here but by who asks: codes are given
// as they come. Ends with 1 where a command is unknown or fails in the host itself, with 3 where the plugin still holds
// one of the host's objects at the end.
#include "vst3_render.h"

#include "json.h"

#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>

namespace host {
namespace {

std::string text_of(const int16_t *text, size_t room)
{
    std::string result; // names here are ASCII
    for (size_t i = 0; i < room && text[i]; i++)
        result += text[i] < 128 ? static_cast<char>(text[i]) : '?';
    return result;
}

template <size_t room> std::string text_of(const int16_t (&text)[room]) { return text_of(text, room); }

std::string hexadecimal(const v3_tuid id)
{
    std::string result;
    char digits[3];
    for (int i = 0; i < 16; i++) {
        std::snprintf(digits, sizeof(digits), "%02X", id[i]);
        result += digits;
    }
    return result;
}

// --- the module ---

Json classes(Session &s)
{
    Json list = Json::array();
    auto *factory = v3_cpp_obj(s.module.factory);
    v3_plugin_factory_2 **second = nullptr;
    v3_plugin_factory_3 **third = nullptr;
    v3_cpp_obj_query_interface(s.module.factory, v3_plugin_factory_2_iid, &second);
    v3_cpp_obj_query_interface(s.module.factory, v3_plugin_factory_3_iid, &third);
    for (int i = 0; i < factory->num_classes(s.module.factory); i++) {
        v3_class_info first = {};
        v3_class_info_2 more = {};
        v3_class_info_3 wide = {};
        factory->get_class_info(s.module.factory, i, &first);
        v3_cpp_obj(second)->get_class_info_2(second, i, &more);
        v3_cpp_obj(third)->get_class_info_utf16(third, i, &wide);
        list.push(Json::object()
                      .add("id", hexadecimal(first.class_id))
                      .add("same",
                           v3_tuid_match(first.class_id, more.class_id) && v3_tuid_match(first.class_id, wide.class_id))
                      .add("name", first.name)
                      .add("wide_name", text_of(wide.name))
                      .add("category", first.category)
                      .add("sub_categories", more.sub_categories)
                      .add("version", more.version)
                      .add("vendor", more.vendor));
    }
    v3_class_info beyond = {};
    const int refused = factory->get_class_info(s.module.factory, factory->num_classes(s.module.factory), &beyond);
    v3_cpp_obj_unref(second);
    v3_cpp_obj_unref(third);
    v3_factory_info info = {};
    factory->get_factory_info(s.module.factory, &info);
    return Json::object()
        .add("vendor", info.vendor)
        .add("flags", info.flags)
        .add("beyond", refused)
        .add("classes", list);
}

// From every interface to every other: there and back, the same pointers, and none for what is unknown.
Json identity(Session &s)
{
    const uint8_t *ids[] = {v3_funknown_iid,
                            v3_plugin_base_iid,
                            v3_component_iid,
                            v3_audio_processor_iid,
                            v3_edit_controller_iid,
                            v3_unit_information_iid,
                            v3_process_context_requirements_iid};
    std::vector<v3_funknown **> found;
    int wrong = 0;
    for (const uint8_t *id : ids) {
        v3_funknown **interface = nullptr;
        wrong += v3_cpp_obj_query_interface(s.component, id, &interface) != V3_OK || !interface;
        found.push_back(interface);
    }
    for (v3_funknown **from : found)
        for (size_t i = 0; i < found.size(); i++) {
            v3_funknown **to = nullptr;
            wrong += !from || v3_cpp_obj_query_interface(from, ids[i], &to) != V3_OK || to != found[i];
            if (to)
                v3_cpp_obj_unref(to);
        }
    v3_funknown **nothing = found[0];
    const int unknown = v3_cpp_obj_query_interface(s.component, v3_host_application_iid, &nothing);
    const uint32_t before = v3_cpp_obj_ref(s.component);
    for (v3_funknown **interface : found)
        if (interface)
            v3_cpp_obj_unref(interface);
    const uint32_t after = v3_cpp_obj_unref(s.component);
    return Json::object()
        .add("wrong", wrong)
        .add("unknown", unknown)
        .add("cleared", nothing == nullptr)
        .add("given_back", static_cast<int>(before - after));
}

// --- buses and parameters ---

Json buses(Session &s)
{
    Json list = Json::array();
    auto *component = v3_cpp_obj(s.component);
    for (int direction = 0; direction < 2; direction++)
        for (int bus = 0; bus < s.buses(direction); bus++) {
            v3_bus_info info = {};
            const int result = component->get_bus_info(s.component, V3_AUDIO, direction, bus, &info);
            v3_speaker_arrangement arrangement = 0;
            v3_cpp_obj(s.processor)->get_bus_arrangement(s.processor, direction, bus, &arrangement);
            int32_t unit = -1;
            v3_cpp_obj(s.units)->get_unit_by_bus(s.units, V3_AUDIO, direction, bus, 0, &unit);
            list.push(Json::object()
                          .add("result", result)
                          .add("direction", info.direction)
                          .add("name", text_of(info.bus_name))
                          .add("channels", info.channel_count)
                          .add("main", info.bus_type == V3_MAIN)
                          .add("active", (info.flags & V3_DEFAULT_ACTIVE) != 0)
                          .add("arrangement", static_cast<int>(arrangement))
                          .add("unit", unit));
        }
    v3_bus_info none = {};
    return Json::object()
        .add("buses", list)
        .add("events", component->get_bus_count(s.component, V3_EVENT, V3_INPUT))
        .add("beyond", component->get_bus_info(s.component, V3_AUDIO, V3_INPUT, 1, &none));
}

std::string value_text(Session &s, v3_param_id id, double value)
{
    v3_str_128 text = {};
    v3_cpp_obj(s.controller)->get_parameter_string_for_value(s.controller, id, value, text);
    return text_of(text, 128);
}

Json parameters(Session &s)
{
    Json list = Json::array();
    auto *controller = v3_cpp_obj(s.controller);
    for (int i = 0; i < controller->get_parameter_count(s.controller); i++) {
        v3_param_info info = {};
        controller->get_parameter_info(s.controller, i, &info);
        const double value = controller->get_parameter_normalised(s.controller, info.param_id);
        list.push(Json::object()
                      .add("id", static_cast<int>(info.param_id))
                      .add("title", text_of(info.title))
                      .add("units", text_of(info.units))
                      .add("steps", info.step_count)
                      .add("usual", info.default_normalised_value)
                      .add("unit", info.unit_id)
                      .add("flags", info.flags)
                      .add("value", value)
                      .add("plain", controller->normalised_parameter_to_plain(s.controller, info.param_id, value))
                      .add("text", value_text(s, info.param_id, value)));
    }
    return list;
}

Json units(Session &s)
{
    Json list = Json::array();
    auto *units = v3_cpp_obj(s.units);
    for (int i = 0; i < units->get_unit_count(s.units); i++) {
        v3_unit_info info = {};
        units->get_unit_info(s.units, i, &info);
        list.push(Json::object()
                      .add("id", info.id)
                      .add("parent", info.parent_unit_id)
                      .add("name", text_of(info.name))
                      .add("programs", info.program_list_id));
    }
    return list;
}

// text ID VALUE; number ID TEXT: the text of a value, the value of a text.
Json number(Session &s, Words &words)
{
    const auto id = next<v3_param_id>(words);
    std::string text;
    std::getline(words >> std::ws, text);
    v3_str_128 wide = {};
    std::copy_n(text.begin(), std::min<size_t>(text.size(), 127), wide);
    double value = -1;
    const int result = v3_cpp_obj(s.controller)->get_parameter_value_for_string(s.controller, id, wide, &value);
    return Json::object()
        .add("result", result)
        .add("value", value)
        .add("plain", v3_cpp_obj(s.controller)->normalised_parameter_to_plain(s.controller, id, value));
}

// --- state ---

// save FILE PART; load FILE PART; show FILE PART: through a stream that takes or gives PART bytes at a time.
Json save(Session &s, Words &words)
{
    const auto path = next<std::string>(words);
    Bytes stream(next<size_t>(words, SIZE_MAX));
    const int result = v3_cpp_obj(s.component)->get_state(s.component, stream.interface());
    std::ofstream(path, std::ios::binary) << stream.bytes;
    return Json::object().add("result", result).add("bytes", static_cast<int>(stream.bytes.size()));
}

Json load(Session &s, Words &words, bool for_show)
{
    const std::string content = content_of(next<std::string>(words));
    Bytes stream(next<size_t>(words, SIZE_MAX), content);
    return Json::object().add("result",
                              for_show ? v3_cpp_obj(s.controller)->set_component_state(s.controller, stream.interface())
                                       : v3_cpp_obj(s.component)->set_state(s.component, stream.interface()));
}

// --- sound ---

Json render(Session &s, Words &words)
{
    Rendering rendering(words);
    Renderer renderer(s, rendering);
    renderer.run();
    Json told = Json::object();
    for (const auto &[id, value] : s.told)
        told.add(std::to_string(id), v3_cpp_obj(s.controller)->normalised_parameter_to_plain(s.controller, id, value));
    return rendering.report().add("refused", renderer.refused).add("told", told);
}

// A block without samples, by which hosts bring changes of parameters: with all pointers missing.
Json flush(Session &s)
{
    s.inputs.used = s.outputs.used = 0;
    for (const Point &p : s.points) {
        v3_param_id id = p.id;
        if (auto **queue = Changes::add(&s.inputs, &id, nullptr))
            v3_cpp_obj(queue)->add_point(queue, 0, p.value, nullptr);
    }
    s.points.clear();
    v3_process_data data = {};
    data.input_params = s.inputs.interface();
    return Json(v3_cpp_obj(s.processor)->process(s.processor, &data));
}

// odd SAMPLES: blocks whose buses are not as they were agreed, each with its result. Memory that is there holds 9
// before.
Json odd(Session &s, Words &words)
{
    const auto n = next<int32_t>(words);
    std::vector<float> memory(static_cast<size_t>(std::max(n, 1)), 9.0f), second = memory;
    float *two[] = {memory.data(), second.data()}, *none[] = {nullptr, nullptr},
          *many[] = {memory.data(), second.data(), memory.data(), second.data()};
    const auto bus = [](int32_t channels, float **pointers) {
        v3_audio_bus_buffers made = {};
        made.num_channels = channels;
        made.channel_buffers_32 = pointers;
        return made;
    };
    const auto full = bus(2, two), nothing = bus(0, nullptr), lost = bus(2, nullptr), empty = bus(2, none),
               mono = bus(1, two), wide = bus(4, many);
    Json results = Json::array();
    const auto give = [&](std::vector<v3_audio_bus_buffers> in, std::vector<v3_audio_bus_buffers> out, int32_t count,
                          int32_t size = V3_SAMPLE_32) {
        v3_process_data data = {};
        data.symbolic_sample_size = size;
        data.nframes = count;
        data.num_input_buses = static_cast<int32_t>(in.size());
        data.num_output_buses = static_cast<int32_t>(out.size());
        data.inputs = in.empty() ? nullptr : in.data();
        data.outputs = out.empty() ? nullptr : out.data();
        results.push(Json(v3_cpp_obj(s.processor)->process(s.processor, &data)));
    };
    give({}, {}, n);
    give({nothing}, {nothing, nothing}, n);
    give({lost}, {lost, lost, lost, lost, lost}, n);
    give({empty}, {empty, full, empty, full, empty}, n);
    give({mono}, {mono, mono, mono}, n);
    give({wide, full, full}, {wide, wide, wide, wide, wide, wide, wide, wide}, n);
    give({full}, {full, full, full, full, full}, 0);
    give({full}, {full}, -1);
    give({full}, {full}, n, V3_SAMPLE_64);
    v3_process_data data = {}; // buses that are announced and are not there
    data.symbolic_sample_size = V3_SAMPLE_32;
    data.nframes = n;
    data.num_input_buses = 1;
    data.num_output_buses = 5;
    results.push(Json(v3_cpp_obj(s.processor)->process(s.processor, &data)));
    results.push(Json(v3_cpp_obj(s.processor)->process(s.processor, nullptr)));
    results.push(Json(v3_cpp_obj(s.component)->set_state(s.component, nullptr)));
    results.push(Json(v3_cpp_obj(s.component)->get_state(s.component, nullptr)));
    results.push(Json(v3_cpp_obj(s.processor)->setup_processing(s.processor, nullptr)));
    return results;
}

Json set_up(Session &s, Words &words)
{
    s.setup.sample_rate = next<double>(words);
    s.setup.max_block_size = next<int32_t>(words);
    const auto mode = next<std::string>(words, "realtime");
    s.setup.process_mode = mode == "offline" ? V3_OFFLINE : mode == "prefetch" ? V3_PREFETCH : V3_REALTIME;
    s.setup.symbolic_sample_size = next<std::string>(words) == "double" ? V3_SAMPLE_64 : V3_SAMPLE_32;
    return Json(v3_cpp_obj(s.processor)->setup_processing(s.processor, &s.setup));
}

// arrange INPUTS OUTPUTS: channels of each bus, as "2 2,2,2,2,2".
Json arrange(Session &s, Words &words)
{
    std::vector<v3_speaker_arrangement> sides[2];
    for (auto &side : sides)
        for (const int channels : numbers_of(next<std::string>(words)))
            side.push_back((v3_speaker_arrangement{1} << channels) - 1);
    return Json(v3_cpp_obj(s.processor)
                    ->set_bus_arrangements(s.processor, sides[0].data(), static_cast<int32_t>(sides[0].size()),
                                           sides[1].data(), static_cast<int32_t>(sides[1].size())));
}

Json handled(Session &s)
{
    Json edits = Json::array();
    for (const std::string &edit : s.handler.edits)
        edits.push(Json(edit));
    Json result = Json::object()
                      .add("restarts", s.handler.restarts.load())
                      .add("flags", s.handler.flags.load())
                      .add("elsewhere", s.handler.elsewhere.load())
                      .add("edits", edits);
    s.handler.restarts = s.handler.flags = s.handler.elsewhere = 0;
    s.handler.edits.clear();
    return result;
}

const Commands<Session> &commands()
{
    static const auto component = [](Session &s) { return v3_cpp_obj(s.component); };
    static const auto processor = [](Session &s) { return v3_cpp_obj(s.processor); };
    static const auto controller = [](Session &s) { return v3_cpp_obj(s.controller); };
    static const Commands<Session> all = {
        // the module and an instance of a class
        {"classes", [](Session &s, Words &) { return classes(s); }},
        {"create", [](Session &s, Words &w) { return s.create(next<int>(w)), Json(0); }},
        {"identity", [](Session &s, Words &) { return identity(s); }},
        {"initialise", // initialise none: without a host's context
         [](Session &s, Words &w) {
             auto **context = reinterpret_cast<v3_funknown **>(s.application.interface());
             return Json(v3_cpp_obj_initialize(s.component, next<std::string>(w) == "none" ? nullptr : context));
         }},
        {"terminate", [](Session &s, Words &) { return Json(v3_cpp_obj_terminate(s.component)); }},
        {"release", [](Session &s, Words &) { return Json(static_cast<int>(s.release())); }},
        // component
        {"buses", [](Session &s, Words &) { return buses(s); }},
        {"bus", // bus OUTPUT 0 or 1
         [](Session &s, Words &w) {
             const int bus = next<int>(w);
             return Json(component(s)->activate_bus(s.component, V3_AUDIO, V3_OUTPUT, bus, next<int>(w) != 0));
         }},
        {"active", [](Session &s, Words &w) { return Json(component(s)->set_active(s.component, next<int>(w) != 0)); }},
        {"save", save},
        {"load", [](Session &s, Words &w) { return load(s, w, false); }},
        {"show", [](Session &s, Words &w) { return load(s, w, true); }},
        // processor
        {"setup", set_up},
        {"arrange", arrange},
        {"processing",
         [](Session &s, Words &w) { return Json(processor(s)->set_processing(s.processor, next<int>(w) != 0)); }},
        {"latency",
         [](Session &s, Words &) { return Json(static_cast<int>(processor(s)->get_latency_samples(s.processor))); }},
        {"tail",
         [](Session &s, Words &) { return Json(static_cast<int>(processor(s)->get_tail_samples(s.processor))); }},
        {"render", render},
        {"odd", odd},
        {"flush", [](Session &s, Words &) { return flush(s); }},
        {"queue", // queue ID VALUE SAMPLE
         [](Session &s, Words &w) {
             Point point = {0, next<v3_param_id>(w), 0};
             point.value = next<double>(w);
             point.at = next<long long>(w);
             return s.points.push_back(point), Json(0);
         }},
        {"absent", // absent 1,3: output buses without buffers
         [](Session &s, Words &w) {
             s.absent.assign(16, false);
             for (const int bus : numbers_of(next<std::string>(w)))
                 s.absent[static_cast<size_t>(bus)] = true;
             return Json(0);
         }},
        {"in_place", [](Session &s, Words &w) { return s.in_place = next<int>(w) != 0, Json(0); }},
        {"sends_mode", [](Session &s, Words &w) { return s.sends_mode = next<int>(w) != 0, Json(0); }},
        // controller
        {"parameters", [](Session &s, Words &) { return parameters(s); }},
        {"units", [](Session &s, Words &) { return units(s); }},
        {"get",
         [](Session &s, Words &w) {
             return Json(controller(s)->get_parameter_normalised(s.controller, next<v3_param_id>(w)));
         }},
        {"set",
         [](Session &s, Words &w) {
             const auto id = next<v3_param_id>(w);
             return Json(controller(s)->set_parameter_normalised(s.controller, id, next<double>(w)));
         }},
        {"text",
         [](Session &s, Words &w) {
             const auto id = next<v3_param_id>(w);
             return Json(value_text(s, id, next<double>(w)));
         }},
        {"number", number},
        {"handler", // handler 0: none
         [](Session &s, Words &w) {
             auto **handler = next<int>(w) != 0 ? s.handler.interface() : nullptr;
             return Json(controller(s)->set_component_handler(s.controller, handler));
         }},
        {"handled", [](Session &s, Words &) { return handled(s); }},
        {"forward", [](Session &s, Words &) { return s.forward(), Json(0); }},
    };
    return all;
}

int run(const std::string &path)
{
    Session session(path);
    serve(session, commands());
    session.release();
    return session.application.references == 0 && session.handler.references == 0 ? 0 : 3;
}

} // namespace
} // namespace host

int main(int count, char **arguments) { return host::main_of(count, arguments, host::run); }
