#include "stream/networks.h"

#include "check.h"
#include "network/elementwise.h"

#include <cstring>

namespace spleeterrt {

namespace {

// Only the frames that are kept are computed.
std::vector<network_layer> narrowed(const NetworkSet &networks, const StreamShape &shape)
{
    std::vector<network_layer> layers(networks.layers, networks.layers + networks.n_layers);
    want_frames(layers.data(), static_cast<std::ptrdiff_t>(layers.size()), static_cast<std::ptrdiff_t>(shape.first_row),
                static_cast<std::ptrdiff_t>(shape.first_row + shape.rows));
    return layers;
}

NetworkSet with_layers(NetworkSet networks, const std::vector<network_layer> &layers)
{
    networks.layers = layers.data();
    return networks;
}

} // namespace

StreamNetworks::StreamNetworks(const NetworkSet &networks, const ModePlan &mode, const StreamOptions &options,
                               const StreamShape &shape)
    : whole_(networks), cascade_(mode.cascade), count_(mode.networks.size()), frames_(options.frames),
      row_(options.bins * stream_channels), first_row_(shape.first_row), plane_(shape.rows * row_),
      layers_(narrowed(networks, shape)), narrowed_(with_layers(networks, layers_))
{
    SRT_DCHECK(count_ > 0 && count_ == mode.made.size() && (!cascade_ || count_ == 2));
    SRT_DCHECK(shape.rows > 0 && shape.first_row + shape.rows <= frames_);
}

// A network, or the two of a cascade: what the first one leaves is wanted of all frames.
void StreamNetworks::compute(const RunBuffers &buffers, std::size_t task, float *workspace, fast_team *team) const
{
    SRT_DCHECK(task < tasks());
    if (!cascade_) {
        narrowed_.run(task, buffers.window, buffers.estimates + task * plane_, workspace, team);
        return;
    }
    whole_.run(0, buffers.window, buffers.rest, workspace, team);
    std::memcpy(buffers.estimates, buffers.rest + first_row_ * row_, plane_ * sizeof(float));
    for (std::size_t i = 0; i < frames_ * row_; i++)
        buffers.rest[i] = buffers.window[i] - buffers.rest[i];
    narrowed_.run(1, buffers.rest, buffers.estimates + plane_, workspace, team);
}

void StreamNetworks::finish(const RunBuffers &buffers) const
{
    if (whole_.softmax)
        whole_.kernels->elementwise->softmax_mask(buffers.estimates, plane_, count_, buffers.window + first_row_ * row_,
                                                  plane_);
}

} // namespace spleeterrt
