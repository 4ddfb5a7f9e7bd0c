// The VST3 plugin: component, processor and controller in one object.
//
// Why one: the editor and the parameters for show (status, late runs) then read the shell itself, hosts do not create
// the plugin twice, and nothing has to be sent from one half to the other. The price: hosts cannot run the halves in
// two processes (the class is not "distributable"), which those of today do not.
//
// Two sets of values: the shell's, which sound, change in process and with a state; the controller's, for show, are
// what the host's user interface says. It may be late: were these to sound, renderings would differ.
#ifndef SPLEETERRT_PLUGIN_VST3_EFFECT_H
#define SPLEETERRT_PLUGIN_VST3_EFFECT_H

#include "com.h"

#include "editor/shell_host.h"
#include "shell/readouts.h"
#include "shell/shell.h"

#include <travesty/audio_processor.h>
#include <travesty/component.h>
#include <travesty/edit_controller.h>
#include <travesty/unit.h>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

namespace spleeterrt::plugin::vst3 {

class Effect final : public Counted, public ShellHost {
public:
    explicit Effect(const Product &product);

    // --- object ---
    Interface *query(const v3_tuid iid);
    uint32_t release();
    v3_result initialise(v3_funknown **context);
    v3_result terminate();

    // --- component ---
    int32_t bus_count(int32_t media, int32_t direction) const;
    v3_result bus_info(int32_t media, int32_t direction, int32_t bus, v3_bus_info &info) const;
    v3_result activate_bus(int32_t media, int32_t direction, int32_t bus, bool active);
    v3_result set_active(bool active);
    v3_result load(v3_bstream **stream);
    v3_result save(v3_bstream **stream) const;

    // --- processor ---
    v3_result arrange(const v3_speaker_arrangement *inputs, int32_t n_inputs, const v3_speaker_arrangement *outputs,
                      int32_t n_outputs) const;
    v3_result set_up(const v3_process_setup &setup);
    v3_result set_processing(bool processing);
    v3_result process(v3_process_data &data);
    uint32_t latency();
    uint32_t tail() const { return shell_.tail(); }

    // --- controller ---
    double shown(std::size_t parameter) const { return shown_[parameter].load(std::memory_order_relaxed); }
    void show(std::size_t parameter, double value); // the host's user interface has a new value
    void show_all();                                // the values that sound
    double readout(std::size_t index) const { return readings(shell_)[index]; }
    void set_handler(v3_component_handler **handler) { handler_.reset(handler); }
    v3_funknown **context() const { return context_.get(); }
    void tell_latency(); // main thread: the host hears of a change

    // --- editor ---
    double value(std::size_t parameter) const override { return shown(parameter); }
    void begin_edit(std::size_t parameter) override;
    void edit(std::size_t parameter, double value) override;
    void end_edit(std::size_t parameter) override;

private:
    struct Buses {
        const float *input[2];
        float *outputs[2 * (1 + most_stems)];
    };

    ~Effect() = default;
    void take(v3_param_changes **changes, int32_t count);
    void take(v3_param_value_queue **queue, int32_t count);
    void add(const Change &change);
    Buses buses_of(const v3_process_data &data) const;
    void silence(v3_process_data &data) const;
    void report(v3_param_changes **changes);

    Shell own_shell_;
    Interface component_, processor_, requirements_, controller_, units_;
    Held<v3_funknown> context_;
    Held<v3_component_handler> handler_;

    v3_process_setup setup_ = {V3_REALTIME, V3_SAMPLE_32, 512, 44100.0};
    bool initialised_ = false, heard_ = false;
    std::array<std::atomic<bool>, 1 + most_stems> bus_active_;
    std::vector<Change> changes_; // of a block; its room never grows in process
    std::vector<std::atomic<double>> shown_;
    std::array<double, n_readouts> outputs_told_;
    std::atomic<uint32_t> latency_told_;
};

extern const void *const component_table, *const processor_table, *const requirements_table, *const controller_table,
                                                                                                 *const units_table;

// Between 0 and 1, as hosts see them, and back.
double normalised(const Parameter &parameter, double value);
double plain(const Parameter &parameter, double normalised);

} // namespace spleeterrt::plugin::vst3

#endif
