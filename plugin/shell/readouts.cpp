#include "shell/readouts.h"

namespace spleeterrt::plugin {

// Status: the phases in their order.
const std::array<Readout, n_readouts> readouts = {{
    {0x10000, "Status", "status", "", 4, true, {"Idle", "Loading", "Ready", "No model", "Failed"}},
    {0x10001, "Reported latency", "reported_latency", "ms", 10000, false, {}},
    {0x10002, "Load", "load", "%", 1000, false, {}},
    {0x10003, "Late runs", "late_runs", "", 1e6, true, {}},
    {0x10004, "Concealed frames", "concealed_frames", "", 1e6, true, {}},
}};

} // namespace spleeterrt::plugin
