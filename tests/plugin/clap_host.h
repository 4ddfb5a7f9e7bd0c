// A host of CLAP for tests. It offers every extension that the plugin may use, or none; checks that the plugin calls it
// on the right threads; and counts what the plugin's audio thread does (watch.h).
#ifndef SPLEETERRT_TESTS_CLAP_HOST_H
#define SPLEETERRT_TESTS_CLAP_HOST_H

#include "clap/entry.h"
#include "clap/ext/audio-ports.h"
#include "clap/ext/gui.h"
#include "clap/ext/latency.h"
#include "clap/ext/params.h"
#include "clap/ext/state.h"
#include "clap/ext/thread-check.h"
#include "clap/ext/timer-support.h"
#include "clap/extensions.h"
#include "clap/plugin-factory.h"
#include "library.h"
#include "sound.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using spleeterrt::plugin::PluginStatus;

// The file, opened; a factory of plugins.
class Binary {
public:
    explicit Binary(const std::string &path);
    ~Binary();
    const clap_plugin_factory_t *factory() const { return factory_; }
    const char *id_of(int stems) const;

private:
    Library library_;
    const clap_plugin_entry_t *entry_ = nullptr;
    const clap_plugin_factory_t *factory_ = nullptr;
};

// How a host hands over sound.
struct Pace {
    std::vector<std::uint32_t> blocks = {512}; // in turn
    double speed = 0;                          // 1: in time with the clock; 0: as fast as it goes
    bool in_place = false;                     // the mix comes out where the input is
};

class Instance {
public:
    Instance(const Binary &binary, int stems, bool with_extensions = true);
    ~Instance();
    Instance(const Instance &) = delete;

    const clap_plugin_t *operator->() const { return plugin_; }
    const clap_plugin_t *get() const { return plugin_; }
    template <typename Extension> const Extension *extension(const char *name) const
    {
        return static_cast<const Extension *>(plugin_->get_extension(plugin_, name));
    }
    const clap_plugin_params_t &params() const { return *extension<clap_plugin_params_t>(CLAP_EXT_PARAMS); }
    std::uint32_t latency() const { return extension<clap_plugin_latency_t>(CLAP_EXT_LATENCY)->get(plugin_); }
    PluginStatus status() const;
    bool wait_until_loaded(double seconds = 60) const; // false: not in that time
    void set_offline(bool on) const;

    clap_id id_of(const std::string &name) const; // of a parameter, by its name
    double value(const std::string &name) const;
    void set(const std::string &name, double value);                        // before the next block
    void set_at(std::uint32_t time, const std::string &name, double value); // within it
    void flush();                                                           // what was set, without sound

    bool activate(double rate, std::uint32_t most);
    void deactivate();
    // The plugin's output for `input`: two channels of the mix, then of each stem.
    Channels run(const Channels &input, const Pace &pace = {});
    // As a host does that was asked to: deactivate, activate.
    bool restart_if_asked();

    std::string save(std::size_t part = 1 << 20) const; // as a host that takes `part` bytes at a time
    bool load(const std::string &state, std::size_t part = 1 << 20) const;

    std::atomic<int> restarts{0}, latency_told{0}, rescans{0}, wrong_threads{0};
    std::vector<std::pair<int, clap_id>> gestures; // types of events that came out
    double worst_call = 0;                         // seconds

private:
    static Instance &of(const clap_host_t *host) { return *static_cast<Instance *>(host->host_data); }
    static const void *host_extension(const clap_host_t *host, const char *name);
    void expect_main();
    void give(const std::vector<float *> &input, const std::vector<float *> &output, std::uint32_t count);

    clap_host_t host_ = {};
    const clap_plugin_t *plugin_ = nullptr;
    bool with_extensions_, active_ = false;
    double rate_ = 0;
    std::uint32_t most_ = 0;
    std::size_t outputs_ = 0; // ports
    std::int64_t steady_ = 0;
    std::vector<clap_event_param_value_t> events_;
};

// --- checks ---

void check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
int failures();

#endif
