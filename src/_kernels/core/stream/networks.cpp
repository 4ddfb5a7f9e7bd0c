#include "stream/networks.h"

#include "network/elementwise.h"

#include <cstring>

namespace spleeterrt {

StreamNetworks::StreamNetworks(const StreamNetwork &network, const StreamOptions &options, const StreamShape &shape)
    : network_(network), layers_(network.layers, network.layers + network.n_layers), frames_(options.frames),
      row_(options.bins * stream_channels), first_row_(shape.first_row), plane_(shape.rows * row_)
{
    // Only the frames that are kept are computed.
    want_frames(layers_.data(), static_cast<std::ptrdiff_t>(layers_.size()),
                static_cast<std::ptrdiff_t>(shape.first_row),
                static_cast<std::ptrdiff_t>(shape.first_row + shape.rows));
}

// A network, or the two of a cascade: what the first one leaves is wanted of all frames.
void StreamNetworks::compute(const RunBuffers &buffers, std::size_t task, float *workspace) const
{
    if (!network_.mode.cascade) {
        run(buffers.window, task, layers_.data(), workspace, buffers.estimates + task * plane_);
        return;
    }
    run(buffers.window, 0, network_.layers, workspace, buffers.rest);
    std::memcpy(buffers.estimates, buffers.rest + first_row_ * row_, plane_ * sizeof(float));
    for (std::size_t i = 0; i < frames_ * row_; i++)
        buffers.rest[i] = buffers.window[i] - buffers.rest[i];
    run(buffers.rest, 1, layers_.data(), workspace, buffers.estimates + plane_);
}

void StreamNetworks::run(const float *window, std::size_t network, const network_layer *layers, float *workspace,
                         float *estimate) const
{
    network_task task = {};
    task.kernels = network_.kernels;
    task.layers = layers;
    task.n_layers = static_cast<std::ptrdiff_t>(network_.n_layers);
    task.weights = network_.weights[network];
    task.workspace = workspace;
    task.input = window;
    task.output = estimate;
    task.logits = network_.softmax;
    run_network(&task, network_.reference);
}

void StreamNetworks::finish(const RunBuffers &buffers) const
{
    if (network_.softmax)
        network_.kernels->elementwise->softmax_mask(buffers.estimates, plane_, network_.mode.networks.size(),
                                                    buffers.window + first_row_ * row_, plane_);
}

} // namespace spleeterrt
