// The networks of a stream: what a run computes (runs.h).
#ifndef SPLEETERRT_STREAM_NETWORKS_H
#define SPLEETERRT_STREAM_NETWORKS_H

#include "network/executor.h"
#include "sound/modes.h"
#include "stream/options.h"
#include "stream/runs.h"

#include <vector>

namespace spleeterrt {

// The networks, lowered for T x F. Everything behind the pointers outlives the engine.
struct StreamNetwork {
    const fast_kernels *kernels = nullptr; // never null when it runs
    const network_layer *layers = nullptr;
    std::size_t n_layers = 0, workspace_floats = 0;
    const float *const *weights = nullptr; // of mode.networks
    bool softmax = false;
    reference_layer reference = nullptr;
    ModePlan mode;
};

// A cascade's networks see the same window one after the other, each what the one before leaves of it: one task.
class StreamNetworks final : public RunTasks {
public:
    StreamNetworks(const StreamNetwork &network, const StreamOptions &options, const StreamShape &shape);
    std::size_t tasks() const override { return network_.mode.cascade ? 1 : network_.mode.networks.size(); }
    void compute(const RunBuffers &buffers, std::size_t task, float *workspace) const override;
    void finish(const RunBuffers &buffers) const override;

private:
    void run(const float *window, std::size_t network, const network_layer *layers, float *workspace,
             float *estimate) const;

    const StreamNetwork network_;
    std::vector<network_layer> layers_; // narrowed to the frames that are kept
    const std::size_t frames_, row_;    // T; F channels
    const std::size_t first_row_, plane_;
};

} // namespace spleeterrt

#endif
