// What the plugin shows to hosts beside its parameters: numbers to read, for those who have no editor. VST3 lists them
// as parameters for reading, LV2 as ports of output.
#ifndef SPLEETERRT_PLUGIN_READOUTS_H
#define SPLEETERRT_PLUGIN_READOUTS_H

#include <array>
#include <cstdint>

namespace spleeterrt::plugin {

class Shell;

enum { read_status, read_latency, read_load, read_late, read_concealed, n_readouts };

struct Readout {
    std::uint32_t id; // in projects; none of a parameter's
    const char *name, *symbol, *unit;
    double most; // at least 0
    bool whole;
    const char *choices[6]; // of whole numbers from 0 on, then a null pointer; none: a number
};

extern const std::array<Readout, n_readouts> readouts;

using Readings = std::array<double, n_readouts>;
Readings readings(const Shell &shell); // any thread; within the ranges

} // namespace spleeterrt::plugin

#endif
