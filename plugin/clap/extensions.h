// Extensions of CLAP 1.1 that the headers at hand may lack, as the specification has them.
#ifndef SPLEETERRT_PLUGIN_CLAP_EXTENSIONS_H
#define SPLEETERRT_PLUGIN_CLAP_EXTENSIONS_H

#include "clap/plugin.h"

namespace spleeterrt::plugin {

constexpr const char *render_extension = "clap.render";
enum RenderMode : std::int32_t { render_realtime = 0, render_offline = 1 };
struct RenderExtension {
    bool(CLAP_ABI *has_hard_realtime_requirement)(const clap_plugin_t *);
    bool(CLAP_ABI *set)(const clap_plugin_t *, std::int32_t mode);
};

constexpr const char *tail_extension = "clap.tail";
struct TailExtension {
    std::uint32_t(CLAP_ABI *get)(const clap_plugin_t *);
};

// Our own: what the editor's status line shows, for hosts and tests that ask. Main thread.
constexpr const char *status_extension = "io.github.spleeterrt.status/1";
struct PluginStatus {
    std::int32_t phase; // 0: not running, 1: loading, 2: ready, 3: no model was found, 4: a model that does not do
    std::uint64_t late_runs, concealed_frames; // since activation
    double load;
    char model[256], message[1024];
};
struct StatusExtension {
    void(CLAP_ABI *get)(const clap_plugin_t *, PluginStatus *);
};

} // namespace spleeterrt::plugin

#endif
