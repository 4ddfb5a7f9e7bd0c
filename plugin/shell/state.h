// What a host stores in a project: lines of text, each a name and a value.
//
//     spleeterrt-plugin 1
//     model /music/models/four.safetensors
//     bypass 0
//     vocals_gain -6
//
// Readers leave out what they do not know and take the usual value of what is missing, so that versions read each
// other's. In the path, a backslash and a newline are written as \\ and \n.
#ifndef SPLEETERRT_PLUGIN_STATE_H
#define SPLEETERRT_PLUGIN_STATE_H

#include "shell/parameters.h"

#include <string>
#include <vector>

namespace spleeterrt::plugin {

struct State {
    std::string model;          // "": none was chosen
    std::vector<double> values; // of all parameters
};

constexpr std::size_t most_state = 1 << 20; // bytes that are read

std::string state_text(const Parameters &parameters, const State &state);
bool read_state(const Parameters &parameters, const std::string &text, State &state); // false: it is none

} // namespace spleeterrt::plugin

#endif
