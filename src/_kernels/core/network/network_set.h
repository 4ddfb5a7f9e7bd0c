// Networks that share one table of layers, ready to run: what an engine gets of a model, whoever loaded it.
#ifndef SPLEETERRT_NETWORK_SET_H
#define SPLEETERRT_NETWORK_SET_H

#include "check.h"
#include "network/network.h"

#include <algorithm>
#include <cstddef>

namespace spleeterrt {

// Everything behind the pointers belongs to somebody else and outlives the engine.
struct NetworkSet {
    const fast_kernels *kernels = nullptr; // never null when it runs: default_kernels() without fast layers
    const network_layer *layers = nullptr; // lowered for T x F
    std::size_t n_layers = 0, workspace_floats = 0;
    int rolling = 0;                       // layers from e1 on that a stream computes row by row
    const float *const *weights = nullptr; // of each network
    bool softmax = false;                  // estimates by a softmax across all networks: they all run
    reference_layer reference = nullptr;   // of the table's reference layers; nullptr: it has none

    void use(const LayerTable &table)
    {
        layers = table.rows.data();
        n_layers = table.rows.size();
        workspace_floats = static_cast<std::size_t>(table.workspace_floats);
        rolling = table.rolling;
    }

    // One network on one segment [T][F][2]; of a softmax model its logits. workspace: at a cache line. team: nullptr,
    // or who helps; its owner's workspace is this one.
    void run(std::size_t network, const float *input, float *output, float *workspace, fast_team *team = nullptr) const
    {
        const network_task job = task(network, input, output, workspace, team);
        run_network(&job, reference);
    }
    network_task task(std::size_t network, const float *input, float *output, float *workspace, fast_team *team) const
    {
        SRT_DCHECK(kernels && layers && weights && SRT_ALIGNED(weights[network]) && SRT_ALIGNED(workspace));
        network_task task = {};
        task.kernels = kernels;
        task.layers = layers;
        task.n_layers = static_cast<std::ptrdiff_t>(n_layers);
        task.weights = weights[network];
        task.workspace = workspace;
        task.input = input;
        task.output = output;
        task.logits = softmax;
        task.team = team;
        return task;
    }
};

// The networks with a table that gives the frames first ... end - 1 alone; it comes to lie in layers[n_layers].
inline NetworkSet narrowed(NetworkSet networks, std::size_t first, std::size_t end, network_layer *layers)
{
    std::copy_n(networks.layers, networks.n_layers, layers);
    want_frames(layers, static_cast<std::ptrdiff_t>(networks.n_layers), static_cast<std::ptrdiff_t>(first),
                static_cast<std::ptrdiff_t>(end));
    networks.layers = layers;
    return networks;
}

} // namespace spleeterrt

#endif
