#include "stream/networks.h"

#include "check.h"
#include "network/elementwise.h"

#include <cstring>

namespace spleeterrt {

LayerTable stream_table(const NetworkConfig &config, const Plan &plan, const ModePlan &mode,
                        const StreamOptions &options)
{
    const StreamShape shape = stream_shape(options);
    const StreamWindows windows = {static_cast<long long>(options.frames), static_cast<long long>(options.bins),
                                   static_cast<long long>(options.hop_frames), static_cast<long long>(shape.first_row),
                                   static_cast<long long>(shape.rows)};
    StreamForm form;
    if (!mode.cascade) // the second network sees frames that are other ones in every window, the first one is run whole
        form = stream_form(config, plan, windows);
    return lower(config, plan, windows.frames, windows.bins, {}, form);
}

StreamNetworks::StreamNetworks(const NetworkSet &networks, const ModePlan &mode, const StreamOptions &options,
                               const StreamShape &shape)
    : whole_(networks), cascade_(mode.cascade), count_(mode.networks.size()), frames_(options.frames),
      row_(options.bins * stream_channels), first_row_(shape.first_row), plane_(shape.rows * row_),
      layers_(networks.n_layers),
      narrowed_(narrowed(networks, shape.first_row, shape.first_row + shape.rows, layers_.data()))
{
    SRT_DCHECK(count_ > 0 && count_ == mode.made.size() && (!cascade_ || count_ == 2));
    SRT_DCHECK(shape.rows > 0 && shape.first_row + shape.rows <= frames_);
    SRT_DCHECK(!cascade_ || !networks.rolling);
    SRT_DCHECK(networks.rolling || networks.layers[0].method != METHOD_DIRECT ||
               networks.layers[1].method != METHOD_ROWS4);
    if (narrowed_.rolling)
        rolling_.reset(new RollingEncoders(narrowed_, count_, options.hop_frames));
}

// A network, or the two of a cascade: what the first one leaves is wanted of all frames.
void StreamNetworks::compute(const RunBuffers &buffers, std::size_t task, float *workspace, fast_team *team) const
{
    SRT_DCHECK(task < tasks());
    if (rolling_) {
        rolling_->run(task, buffers.place, buffers.window, buffers.estimates + task * plane_, workspace, team);
        return;
    }
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
