// Which masks a frame gets: those of the run that it is due to, faded in from the run before; those before them, held,
// where a run is late; later the mix in one stem.
#ifndef SPLEETERRT_STREAM_MASKS_H
#define SPLEETERRT_STREAM_MASKS_H

#include "sound/masks.h"
#include "sound/modes.h"
#include "stream/options.h"
#include "stream/runs.h"
#include "stream/signal.h"

#include <vector>

namespace spleeterrt {

class Masks {
public:
    // options: with the defaults of `shape` filled in. Throws std::bad_alloc.
    Masks(const ModePlan &mode, const StreamOptions &options, const StreamShape &shape, Runs &runs);

    // Those of silence: the signal begins. silent: the last frame before it; before: the last run that is not its own.
    void start(std::int64_t silent, std::int64_t before);
    // A call of `process` begins. waiting: for the networks.
    void begin_call(bool waiting);
    bool waiting() const { return waiting_; }
    // For this frame; frames come in order.
    FrameMasks choose(std::int64_t frame);
    // The run that gives a frame its masks (hold: the newest that has had its time when the frame comes); negative:
    // none.
    std::int64_t due_run(std::int64_t frame) const;

    void add_stats(StreamStats &stats) const;
    void reset_stats();

private:
    void set_silence();
    void update(std::int64_t frame);
    void read(const Runs::Slot &slot, std::size_t row, float *masks) const;
    void extend();
    void fade_in(std::int64_t run, std::size_t row);
    void cover();

    const ModePlan mode_;
    const StreamOptions options_;
    const StreamShape shape_;
    Runs &runs_;
    const MaskKernels &kernels_;       // of options.isa
    const std::size_t stems_, values_; // F channels
    const std::size_t hold_frames_;
    std::vector<float> silent_, above_; // of each stem: the mask of silence; that above F, unless it is the mean

    FloatBlocks memory_;
    float *masks_, *held_, *other_;        // [stems][F][2]
    float *all_;                           // [networks][F][2]: of networks whose stems do not come out
    float *extensions_, *held_extensions_; // [stems][2]: above F
    std::size_t covered_in_a_row_ = 0;
    std::int64_t silent_frame_ = 0;
    std::int64_t last_used_ = -1, last_counted_ = -1; // runs whose masks were used, counted as late
    bool waiting_ = false;                            // for the networks, in the call at hand
    std::int64_t begun_before_ = -1;                  // the newest run before this call

    std::atomic<std::uint64_t> underruns_{0}, covered_{0};
};

} // namespace spleeterrt

#endif
