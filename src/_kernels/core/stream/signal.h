// The sound of a stream: samples in, frames out to where their masks are made, stems out, `latency` later.
//
//     take:  samples (-> resampler) -> ring -> frame -> |STFT| -> Frames::magnitudes, Frames::analysed
//     next:  frame -> STFT x Frames::masks -> inverse -> overlap-add (-> resampler) -> stems
//
// Frames are numbered as offline: frame i sees the samples [i h - N, i h) (N: frame length, h: step).
#ifndef SPLEETERRT_STREAM_SIGNAL_H
#define SPLEETERRT_STREAM_SIGNAL_H

#include "sound/spectral.h"
#include "stream/memory.h"
#include "stream/options.h"
#include "stream/resampler.h"
#include "stream/statistics.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace spleeterrt {

// Stereo samples of the caller: channel c of sample i is at channel[c][i * stride].
struct StreamInput {
    const float *channel[2];
    std::ptrdiff_t stride;
};
struct StreamOutput {
    float *channel[2]; // nullptr: not wanted
    std::ptrdiff_t stride;
};

struct FrameMasks {
    const float *masks;      // [stems][F][2]
    const float *extensions; // [stems][2], above F
};

// What happens to a frame between its analysis and its synthesis. Frames come in order.
class Frames {
public:
    virtual float *magnitudes(std::int64_t frame) = 0; // where those of a frame are wanted, [F][2]
    virtual void analysed(std::int64_t frame) = 0;     // they are there now
    virtual FrameMasks masks(std::int64_t frame) = 0;  // to be synthesised; valid until the next call

protected:
    ~Frames() = default;
};

class Signal {
public:
    // options: with the defaults of `shape` filled in; residual: the stem that is the input minus the others, -1: none.
    // Throws std::bad_alloc.
    Signal(const StreamOptions &options, const StreamShape &shape, std::size_t stems, std::ptrdiff_t residual,
           Frames &frames);

    // The next sample is number `position` of a signal that was silent before; its frames are counted from sample 0, or
    // from a sample a whole number of runs away. Analyses the last silent frame.
    void start(std::int64_t position);
    std::int64_t first_frame() const { return first_frame_; } // the last silent one
    // At most shape.piece samples.
    void take(const StreamInput &in, std::size_t count);
    // The next samples of all stems, `most` or fewer; stems[s]: [samples][2], valid until the next call. No more than
    // were taken.
    std::size_t next(std::size_t most, const float **stems);
    std::int64_t next_frame() const { return synthesised_; } // to be synthesised

    void add_stats(StreamStats &stats) const { stats.repaired = repaired_.load(std::memory_order_relaxed); }
    void reset_stats() { repaired_.store(0, std::memory_order_relaxed); }

private:
    void make_transforms();
    void make_resamplers();
    void append(float left, float right);
    void gather(std::int64_t frame);
    void analyse_frame();
    std::size_t advance();
    std::size_t ready_at() const;
    void next_resampled(std::size_t at);
    void synthesise_frame();
    void keep(float left, float right);
    const float *rest(const float *const *stems, std::size_t count);

    const StreamOptions options_;
    const StreamShape shape_;
    const std::size_t stems_;
    const std::ptrdiff_t residual_;
    Frames &there_;
    std::unique_ptr<Stft> heard_, masked_; // for the networks; for the masks
    FloatBlocks memory_;

    // At the model's rate.
    float *ring_ = nullptr; // [ring_samples_][2]
    std::size_t ring_samples_ = 0;
    std::int64_t first_ = 0, first_frame_ = 0; // where the signal begins: its first sample, the last frame before
    std::int64_t received_ = 0;                // samples
    std::int64_t frames_ = 0;                  // analysed
    std::int64_t emitted_ = 0;                 // index of the next sample to leave (begins core_latency before first_)
    std::int64_t synthesised_ = 0;             // the next frame
    float *frame_ = nullptr, *scratch_ = nullptr;
    float *sums_ = nullptr;                     // [stems][frame_length][2]
    float *ready_ = nullptr, *zeros_ = nullptr; // [stems][frame_step][2] finished samples; [frame_step][2]

    // At another rate.
    std::unique_ptr<ResamplerFilter> down_filter_, up_filter_;
    std::unique_ptr<Resampler> down_;
    std::vector<Resampler> up_;
    std::vector<float> resampled_; // [stems][chunk][2] of output

    // The input, for the residual.
    float *kept_ = nullptr, *rest_ = nullptr; // ring [kept_samples_][2]; [a step or a chunk][2]
    std::size_t kept_samples_ = 0;
    std::int64_t taken_ = 0, given_ = 0; // samples since the signal began

    std::atomic<std::uint64_t> repaired_{0};
};

} // namespace spleeterrt

#endif
