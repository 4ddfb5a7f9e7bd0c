// One plugin of a VST3 module, as a host holds it.
#ifndef SPLEETERRT_TESTS_VST3_SESSION_H
#define SPLEETERRT_TESTS_VST3_SESSION_H

#include "vst3_module.h"
#include "vst3_objects.h"

#include <map>
#include <memory>

namespace host {

struct Point {
    long long at; // sample of the rendering to come
    v3_param_id id;
    double value;
};

struct Session {
    explicit Session(const std::string &path) : module(path) {}
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;
    ~Session() { release(); }

    Module module;
    Application application;
    Handler handler;
    Changes inputs, outputs; // of the block at hand
    v3_component **component = nullptr;
    v3_audio_processor **processor = nullptr;
    v3_edit_controller **controller = nullptr;
    v3_unit_information **units = nullptr;
    v3_process_setup setup = {V3_REALTIME, V3_SAMPLE_32, 512, 44100.0};
    std::vector<Point> points;          // of the next rendering
    std::map<v3_param_id, double> told; // newest output values
    std::vector<bool> absent;           // output buses without buffers
    bool in_place = false, sends_mode = true;

    // The class of this index with its interfaces; the controller may be another object.
    void create(int index)
    {
        release();
        v3_class_info info;
        if (v3_cpp_obj(module.factory)->get_class_info(module.factory, index, &info) != V3_OK)
            throw std::runtime_error("no such class");
        void *made = nullptr;
        if (v3_cpp_obj(module.factory)->create_instance(module.factory, info.class_id, v3_component_iid, &made) !=
            V3_OK)
            throw std::runtime_error("no instance");
        component = static_cast<v3_component **>(made);
        v3_cpp_obj_query_interface(component, v3_audio_processor_iid, &processor);
        v3_cpp_obj_query_interface(component, v3_edit_controller_iid, &controller);
        if (!processor || !controller)
            throw std::runtime_error("not a component with its processor and controller");
        v3_cpp_obj_query_interface(controller, v3_unit_information_iid, &units);
    }

    // How many references are left of the plugin, which should be none.
    uint32_t release()
    {
        uint32_t left = 0;
        if (units)
            v3_cpp_obj_unref(units);
        if (controller)
            v3_cpp_obj_unref(controller);
        if (processor)
            v3_cpp_obj_unref(processor);
        if (component)
            left = v3_cpp_obj_unref(component);
        units = nullptr;
        controller = nullptr;
        processor = nullptr;
        component = nullptr;
        return left;
    }

    int buses(int direction) { return v3_cpp_obj(component)->get_bus_count(component, V3_AUDIO, direction); }
    int channels(int direction, int bus)
    {
        v3_bus_info info = {};
        v3_cpp_obj(component)->get_bus_info(component, V3_AUDIO, direction, bus, &info);
        return info.channel_count;
    }

    // What the plugin said in a block reaches its controller, as in every host.
    void forward()
    {
        for (const auto &[id, value] : told)
            v3_cpp_obj(controller)->set_parameter_normalised(controller, id, value);
    }
};

} // namespace host

#endif
