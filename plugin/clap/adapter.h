// The plugin as CLAP: clap_plugin and its extensions, above the shell. One file per group of extensions.
#ifndef SPLEETERRT_PLUGIN_CLAP_ADAPTER_H
#define SPLEETERRT_PLUGIN_CLAP_ADAPTER_H

#include "clap/edits.h"
#include "clap/ext/gui.h"
#include "clap/ext/latency.h"
#include "clap/ext/params.h"
#include "clap/ext/state.h"
#include "clap/ext/timer-support.h"
#include "clap/plugin.h"
#include "editor/shell_host.h"
#include "shell/shell.h"

#include <atomic>
#include <memory>
#include <string>

namespace spleeterrt::plugin {

class Adapter final : public ShellHost {
public:
    Adapter(const clap_host_t *host, const clap_plugin_descriptor_t &descriptor, const Product &product,
            const std::string &binary);
    ~Adapter();

    const clap_plugin_t *plugin() const { return &plugin_; }
    static Adapter &of(const clap_plugin_t *plugin) { return *static_cast<Adapter *>(plugin->plugin_data); }
    Shell &shell() { return shell_object_; }

    bool init();
    bool activate(double rate, std::uint32_t most);
    void deactivate();
    clap_process_status process(const clap_process_t &process);
    void flush(const clap_input_events_t *in, const clap_output_events_t *out);
    void main_thread();

    bool save(const clap_ostream_t &stream) const;
    bool load(const clap_istream_t &stream);

    // The editor.
    bool open_editor(const char *api);
    void close_editor();
    Editor *editor() { return editor_.get(); }
    void timer();
    void begin_edit(std::size_t parameter) override;
    void edit(std::size_t parameter, double value) override;
    void end_edit(std::size_t parameter) override;

private:
    template <typename Extension> const Extension *extension(const char *name) const
    {
        return static_cast<const Extension *>(host_->get_extension(host_, name));
    }
    void run(const clap_process_t &process, std::uint32_t begin, std::uint32_t end, const Change *changes,
             std::size_t count);
    void give_edits(const clap_output_events_t *out);
    bool give(const Edit &edit, const clap_output_events_t *out) const;
    void take(const Edit &edit);
    void ask_for_restart(); // any thread: where another latency mode waits for it

    Shell shell_object_;
    clap_plugin_t plugin_;
    const clap_host_t *host_;
    const clap_host_latency_t *host_latency_ = nullptr;
    const clap_host_params_t *host_params_ = nullptr;
    const clap_host_timer_support_t *host_timers_ = nullptr;
    std::uint32_t told_latency_;
    std::atomic<bool> restart_asked_{false};
    Edits edits_;
    std::unique_ptr<Editor> editor_;
    clap_id timer_ = 0;
    bool has_timer_ = false;
};

const void *extension_of(const char *name); // what clap_plugin.get_extension returns
extern const clap_plugin_gui_t gui_extension;
extern const clap_plugin_timer_support_t timer_extension;

} // namespace spleeterrt::plugin

#endif
