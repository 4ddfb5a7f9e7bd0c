// The ports of the LV2 plugin, for the adapter and for the program that describes them (describe.cpp).
#ifndef SPLEETERRT_PLUGIN_LV2_PORTS_H
#define SPLEETERRT_PLUGIN_LV2_PORTS_H

#include "shell/parameters.h"
#include "shell/product.h"
#include "shell/readouts.h"

namespace spleeterrt::plugin::lv2 {

constexpr const char *ui_uri = "https://github.com/spleeterrt/spleeterrt/plugin#editor";
constexpr const char *model_key = "https://github.com/spleeterrt/spleeterrt/plugin#model";

// Audio in, audio out (the mix, then the stems), parameters, and what LV2 has beside them. States name ports by their
// symbols, but Ardour's automation by their indices: a new one belongs behind all others.
struct Ports {
    explicit Ports(const Product &product)
        : parameters(product), outputs(2 * (1 + product.stems)), first_parameter(2 + outputs),
          latency(first_parameter + static_cast<int>(parameters.size())), free_wheel(latency + 1),
          first_readout(free_wheel + 1), count(first_readout + n_shown)
    {
    }

    // The latency has its own port, in samples.
    static constexpr int shown[] = {read_status, read_load, read_late, read_concealed};
    static constexpr int n_shown = 4;

    Parameters parameters;
    int outputs, first_parameter, latency, free_wheel, first_readout, count;
};

} // namespace spleeterrt::plugin::lv2

#endif
