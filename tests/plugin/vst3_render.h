// A song through a VST3 plugin: the data of each block as hosts make it.
#ifndef SPLEETERRT_TESTS_VST3_RENDER_H
#define SPLEETERRT_TESTS_VST3_RENDER_H

#include "commands.h"
#include "vst3_session.h"

namespace host {

class Renderer {
public:
    Renderer(Session &session, Rendering &rendering) : s_(session), r_(rendering)
    {
        const auto largest = static_cast<size_t>(r_.largest());
        in_.assign(2, std::vector<float>(largest));
        for (int bus = 0; bus < s_.buses(V3_OUTPUT); bus++) {
            first_.push_back(out_.size());
            out_.resize(out_.size() + static_cast<size_t>(s_.channels(V3_OUTPUT, bus)), std::vector<float>(largest));
        }
        for (auto &channel : in_)
            in_pointers_.push_back(channel.data());
        for (size_t c = 0; c < out_.size(); c++)
            out_pointers_.push_back(s_.in_place && c < 2 ? in_pointers_[c] : out_[c].data());
    }

    void run()
    {
        std::stable_sort(s_.points.begin(), s_.points.end(), [](auto &a, auto &b) { return a.at < b.at; });
        r_.run(s_.setup.sample_rate, [this](long long at, int n) { block(at, n); });
        s_.points.clear();
    }

    int refused = 0; // blocks that the plugin did not take

private:
    void block(long long at, int n)
    {
        r_.fill(in_, at, n);
        if (!s_.in_place)
            for (auto &channel : out_)
                std::fill(channel.begin(), channel.end(), 9.0f); // what was in the memory before
        changes(at, n);
        v3_process_data data = {};
        std::vector<v3_audio_bus_buffers> outs(first_.size());
        v3_audio_bus_buffers in = fill(data, outs, n);
        data.inputs = &in;
        v3_result result = V3_OK;
        r_.call([&] { result = v3_cpp_obj(s_.processor)->process(s_.processor, &data); });
        refused += result != V3_OK;
        for (size_t q = 0; q < s_.outputs.used; q++)
            for (const auto &point : s_.outputs.queues[q].points)
                s_.told[s_.outputs.queues[q].id] = point.second;
        r_.take(out_pointers_, n);
    }

    v3_audio_bus_buffers fill(v3_process_data &data, std::vector<v3_audio_bus_buffers> &outs, int n)
    {
        data.process_mode = s_.sends_mode ? s_.setup.process_mode : V3_REALTIME;
        data.symbolic_sample_size = V3_SAMPLE_32;
        data.nframes = n;
        data.num_input_buses = 1;
        data.num_output_buses = static_cast<int32_t>(outs.size());
        for (size_t bus = 0; bus < outs.size(); bus++) {
            const bool absent = bus < s_.absent.size() && s_.absent[bus];
            const size_t end = bus + 1 < outs.size() ? first_[bus + 1] : out_pointers_.size();
            outs[bus].num_channels = absent ? 0 : static_cast<int32_t>(end - first_[bus]);
            outs[bus].channel_buffers_32 = absent ? nullptr : &out_pointers_[first_[bus]];
        }
        data.outputs = outs.data();
        data.input_params = s_.inputs.interface();
        data.output_params = s_.outputs.interface();
        v3_audio_bus_buffers in = {};
        in.num_channels = 2;
        in.channel_buffers_32 = in_pointers_.data();
        return in;
    }

    void changes(long long at, int n)
    {
        s_.inputs.used = s_.outputs.used = 0;
        for (const Point &p : s_.points)
            if (p.at >= at && p.at < at + n) {
                v3_param_id id = p.id;
                if (auto **queue = Changes::add(&s_.inputs, &id, nullptr))
                    v3_cpp_obj(queue)->add_point(queue, static_cast<int32_t>(p.at - at), p.value, nullptr);
            }
    }

    Session &s_;
    Rendering &r_;
    std::vector<std::vector<float>> in_, out_;
    std::vector<float *> in_pointers_, out_pointers_;
    std::vector<size_t> first_; // channel of a bus
};

} // namespace host

#endif
