// The networks of a stream: what a run computes (runs.h).
#ifndef SPLEETERRT_STREAM_NETWORKS_H
#define SPLEETERRT_STREAM_NETWORKS_H

#include "network/network.h"
#include "network/network_set.h"
#include "sound/modes.h"
#include "stream/options.h"
#include "stream/rolling.h"
#include "stream/runs.h"

#include <memory>
#include <vector>

namespace spleeterrt {

// The table that a stream's networks run, for options.frames x options.bins: its encoders roll along where that saves
// work (rolling.h). Throws std::bad_alloc.
LayerTable stream_table(const NetworkConfig &config, const Plan &plan, const ModePlan &mode,
                        const StreamOptions &options);

// A cascade's networks see the same window one after the other, each what the one before leaves of it: one task.
class StreamNetworks final : public RunTasks {
public:
    // networks: those of the mode, in its order, with a `stream_table`, or lowered for options.frames x options.bins.
    StreamNetworks(const NetworkSet &networks, const ModePlan &mode, const StreamOptions &options,
                   const StreamShape &shape);
    std::size_t tasks() const override { return cascade_ ? 1 : count_; }
    void compute(const RunBuffers &buffers, std::size_t task, float *workspace, fast_team *team) const override;
    void finish(const RunBuffers &buffers) const override;

private:
    const NetworkSet whole_;
    const bool cascade_;
    const std::size_t count_;        // networks
    const std::size_t frames_, row_; // T; F channels
    const std::size_t first_row_, plane_;
    std::vector<network_layer> layers_;        // narrowed to the frames that are kept
    const NetworkSet narrowed_;                // the same networks with these
    std::unique_ptr<RollingEncoders> rolling_; // null: the table has none
};

} // namespace spleeterrt

#endif
