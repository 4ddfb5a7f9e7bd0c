// The sound of the VST3 plugin: IAudioProcessor.
#include "effect.h"

#include <algorithm>

namespace spleeterrt::plugin::vst3 {
namespace {

constexpr v3_speaker_arrangement stereo = V3_SPEAKER_L | V3_SPEAKER_R;

bool all_stereo(const v3_speaker_arrangement *buses, int32_t count)
{
    return count == 0 || (buses && std::all_of(buses, buses + count, [](auto bus) { return bus == stereo; }));
}

float *channel_of(const v3_audio_bus_buffers &bus, int32_t channel)
{
    return channel < bus.num_channels && bus.channel_buffers_32 ? bus.channel_buffers_32[channel] : nullptr;
}

void silence_bus(v3_audio_bus_buffers &bus, int32_t first, int32_t samples)
{
    for (int32_t c = first; c < bus.num_channels; c++) {
        if (float *channel = channel_of(bus, c))
            std::fill_n(channel, samples, 0.0f);
        if (c < 64)
            bus.channel_silence_bitset |= uint64_t{1} << c;
    }
}

} // namespace

v3_result Effect::arrange(const v3_speaker_arrangement *inputs, int32_t n_inputs, const v3_speaker_arrangement *outputs,
                          int32_t n_outputs) const
{
    const bool fits = n_inputs == bus_count(V3_AUDIO, V3_INPUT) && n_outputs == bus_count(V3_AUDIO, V3_OUTPUT);
    return fits && all_stereo(inputs, n_inputs) && all_stereo(outputs, n_outputs) ? ok : no;
}

v3_result Effect::set_up(const v3_process_setup &setup)
{
    if (shell_.active())
        return no;
    if (setup.symbolic_sample_size != V3_SAMPLE_32 || setup.max_block_size < 1 || !is_rate(setup.sample_rate))
        return bad_argument;
    setup_ = setup;
    return ok;
}

v3_result Effect::set_processing(bool processing)
{
    if (!shell_.active())
        return not_initialised;
    if (processing && heard_) { // what comes has nothing to do with what was
        shell_.reset();
        heard_ = false;
    }
    return ok;
}

uint32_t Effect::latency()
{
    const uint32_t now = shell_.latency();
    latency_told_.store(now, std::memory_order_relaxed);
    return now;
}

v3_result Effect::process(v3_process_data &data)
{
    if (!shell_.active())
        return not_initialised;
    if (data.symbolic_sample_size != V3_SAMPLE_32 || data.nframes < 0)
        return bad_argument;
    shell_.set_offline(setup_.process_mode == V3_OFFLINE || data.process_mode == V3_OFFLINE);
    changes_.clear();
    take(data.input_params, data.nframes);
    const Buses sound = buses_of(data);
    shell_.process(sound.input, sound.outputs, static_cast<uint32_t>(data.nframes), changes_.data(), changes_.size());
    heard_ = heard_ || data.nframes > 0;
    silence(data);
    report(data.output_params);
    return ok;
}

// The points of all queues by rising offset. More than there is room for, which no host sends: the newest value counts.
void Effect::take(v3_param_changes **changes, int32_t count)
{
    const int32_t queues = changes ? v3_cpp_obj(changes)->get_param_count(changes) : 0;
    for (int32_t q = 0; q < queues; q++)
        if (v3_param_value_queue **queue = v3_cpp_obj(changes)->get_param_data(changes, q))
            take(queue, count);
}

void Effect::take(v3_param_value_queue **queue, int32_t count)
{
    const std::size_t index = parameters().index_of(v3_cpp_obj(queue)->get_param_id(queue));
    if (index == Parameters::none)
        return;
    const int32_t points = v3_cpp_obj(queue)->get_point_count(queue);
    for (int32_t i = 0; i < points; i++) {
        int32_t offset = 0;
        double value = 0;
        if (v3_cpp_obj(queue)->get_point(queue, i, &offset, &value) != V3_OK)
            continue;
        value = plain(parameters()[index], value);
        shown_[index].store(value, std::memory_order_relaxed);
        const auto at = static_cast<uint32_t>(std::clamp(offset, 0, std::max(count - 1, 0)));
        add({at, index, value});
    }
}

void Effect::add(const Change &change)
{
    if (changes_.size() == changes_.capacity()) {
        shell_.set_value(change.parameter, change.value);
        return;
    }
    const auto place = std::upper_bound(changes_.begin(), changes_.end(), change.offset,
                                        [](uint32_t offset, const Change &other) { return offset < other.offset; });
    changes_.insert(place, change);
}

Effect::Buses Effect::buses_of(const v3_process_data &data) const
{
    Buses result = {};
    if (data.inputs && data.num_input_buses > 0)
        for (int32_t c = 0; c < 2; c++) // one channel, which was not agreed, sounds on both sides
            result.input[c] = channel_of(data.inputs[0], std::min(c, std::max(data.inputs[0].num_channels - 1, 0)));
    const int32_t count = data.outputs ? std::min(data.num_output_buses, buses(product())) : 0;
    for (int32_t bus = 0; bus < count; bus++)
        if (bus_active_[static_cast<std::size_t>(bus)].load(std::memory_order_relaxed))
            for (int32_t c = 0; c < 2; c++)
                result.outputs[2 * bus + c] = channel_of(data.outputs[bus], c);
    return result;
}

// Marks what sounds as such, and silences what the plugin has nothing for.
void Effect::silence(v3_process_data &data) const
{
    for (int32_t bus = 0; data.outputs && bus < data.num_output_buses; bus++) {
        const bool sounds =
            bus < buses(product()) && bus_active_[static_cast<std::size_t>(bus)].load(std::memory_order_relaxed);
        data.outputs[bus].channel_silence_bitset = 0;
        silence_bus(data.outputs[bus], sounds ? 2 : 0, data.nframes);
    }
}

// The readouts that have changed, for the controller; and the latency, so that the controller is called on the host's
// main thread, where alone the host may be told.
void Effect::report(v3_param_changes **changes)
{
    if (!changes)
        return;
    const Readings now = readings(shell_);
    for (std::size_t i = 0; i < n_readouts; i++) {
        if (now[i] == outputs_told_[i])
            continue;
        v3_param_id id = readouts[i].id;
        int32_t index = 0;
        v3_param_value_queue **queue = v3_cpp_obj(changes)->add_param_data(changes, &id, &index);
        if (queue && v3_cpp_obj(queue)->add_point(queue, 0, now[i] / readouts[i].most, &index) == V3_OK)
            outputs_told_[i] = now[i];
    }
}

namespace {

Effect &of(void *self) { return object_of<Effect>(self); }

v3_result V3_API set_bus_arrangements(void *self, v3_speaker_arrangement *inputs, int32_t n_inputs,
                                      v3_speaker_arrangement *outputs, int32_t n_outputs)
{
    return of(self).arrange(inputs, n_inputs, outputs, n_outputs);
}

v3_result V3_API get_bus_arrangement(void *self, int32_t direction, int32_t bus, v3_speaker_arrangement *arrangement)
{
    if (!arrangement || bus < 0 || bus >= of(self).bus_count(V3_AUDIO, direction))
        return bad_argument;
    *arrangement = stereo;
    return ok;
}

v3_result V3_API can_process_sample_size(void *, int32_t size) { return size == V3_SAMPLE_32 ? ok : no; }
uint32_t V3_API get_latency_samples(void *self) { return of(self).latency(); }

v3_result V3_API setup_processing(void *self, v3_process_setup *setup)
{
    return setup ? of(self).set_up(*setup) : bad_argument;
}

v3_result V3_API set_processing(void *self, v3_bool processing) { return of(self).set_processing(processing); }
v3_result V3_API process(void *self, v3_process_data *data) { return data ? of(self).process(*data) : bad_argument; }
uint32_t V3_API get_tail_samples(void *self) { return of(self).tail(); }

// Nothing of the host's timeline.
uint32_t V3_API get_process_context_requirements(void *) { return 0; }

const v3_audio_processor_cpp processor_functions = {Unknown<Effect>::table,
                                                    {set_bus_arrangements, get_bus_arrangement, can_process_sample_size,
                                                     get_latency_samples, setup_processing, set_processing, process,
                                                     get_tail_samples}};
const v3_process_context_requirements_cpp requirements_functions = {Unknown<Effect>::table,
                                                                    {get_process_context_requirements}};

} // namespace

const void *const processor_table = &processor_functions, *const requirements_table = &requirements_functions;

} // namespace spleeterrt::plugin::vst3
