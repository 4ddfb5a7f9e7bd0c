// Stems while the music plays: the real-time engine. Knows no Python.
//
//     process(block):   Signal             Runs                 Workers
//                       samples, frames    slots: a window,     threads of the engine, of a pool,
//                          |               its estimates        or whoever calls process
//                          | |STFT|          ^        |
//                          +-----------------+ submit | claim ----> StreamNetworks
//                          |                          |
//                          |    Masks: of the run  <--+
//                          |    that is due, or held
//                          v           |
//                       overlap-add <--+ masks x STFT of the frame that is due
//                          |
//     the block,        Mixer: gains
//     `latency` later
//
// Frame i sees the samples [i h - N, i h) (N: frame length, h: step). Run r sees the frames [e - T, e), e = (r + 1)
// hop_frames, and gives the masks of [e - lookahead - hop_frames, e - lookahead); it begins when frame e - 1 is
// complete, and its first frame is due `budget` samples later. With hop_frames = T these are the segments of a file. In
// hold mode every frame is due at once, under the newest mask that there is.
//
// The mode (sound/modes.h) says which networks run, on what, and what becomes of their estimates. A cascade's networks
// see the same window one after the other: one STFT, one latency, twice the time.
//
// The caller of `process` does all but the networks, never waits in real time, takes no lock and allocates nothing. It
// and the workers share the runs' slots and a semaphore. What is late is covered: the last mask is held, later the mix
// goes to one stem. Where realtime is 2 it waits for networks while it is ahead of the clock (lead.h): a caller that
// renders instead of playing.
#ifndef SPLEETERRT_STREAM_ENGINE_H
#define SPLEETERRT_STREAM_ENGINE_H

#include "stream/lead.h"
#include "stream/masks.h"
#include "stream/mixer.h"
#include "stream/networks.h"
#include "stream/options.h"
#include "stream/runs.h"
#include "stream/signal.h"
#include "stream/statistics.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace spleeterrt {

class StreamEngine final : private Frames {
public:
    // Options as `check_stream` accepts them; networks: as of `StreamNetworks`. Throws std::bad_alloc, or
    // std::system_error where the system gives not even one thread.
    StreamEngine(const NetworkSet &networks, const ModePlan &mode, const StreamOptions &options);
    ~StreamEngine();
    StreamEngine(const StreamEngine &) = delete;
    StreamEngine &operator=(const StreamEngine &) = delete;

    std::size_t latency() const { return shape_.latency; }
    std::size_t stems() const { return stems_; }
    std::size_t largest_block() const { return shape_.block; }
    bool block_is_fixed() const { return shape_.fixed; }
    std::size_t threads() const { return workers_->threads(); } // fewer than asked for where the system gives no more

    // The next `count` samples in, of all stems out (delayed by `latency`). Every channel of outs[stems] and of
    // mix, the sum of the stems under their gains, may be nullptr. count: <= largest_block(), and exactly that
    // where the block is fixed. Input and output may be the same memory.
    void process(const StreamInput &in, const StreamOutput *outs, const StreamOutput &mix, std::size_t count);

    // Forget the signal; networks that run are not waited for (but where realtime is 0), what they find is not used.
    // The next sample is number `position` of the host's timeline (a multiple of the block where that is fixed): frames
    // and runs begin where they would in an engine that was there from sample 0 on and has heard silence since.
    // Engines that then hear the same samples give the same stems from `settling` samples on.
    void reset(std::int64_t position = 0);
    std::size_t settling() const;

    // Not from within an audio callback: as if `latency` zeros came in, waiting for the networks: the rest of the
    // signal. Then begins anew.
    void flush(const StreamOutput *outs, const StreamOutput &mix);

    // Without threads of its own (options.caller_runs, or a build without threads): a run of the networks, or a part of
    // one, in any thread but in one at a time per workspace; false: there was nothing to do. `process` does it itself
    // where it waits. workspace: [workspace_floats()], at a cache line.
    bool pending() const { return runs_.pending(); }
    bool run_next(float *workspace) { return runs_.run_next(workspace); }
    std::size_t workspace_floats() const { return workspace_floats_; }

    // From any thread.
    void set_realtime(int realtime) { realtime_.store(realtime, std::memory_order_relaxed); } // from the next call on
    void set_gain(std::size_t stem, float gain) { mixer_.set_gain(stem, gain); } // from the next call on, smoothly
    float gain(std::size_t stem) const { return mixer_.gain(stem); }
    StreamStats stats() const;
    void reset_stats();

    // For tests: the workers stand still; whether they have nothing to do.
    void pause(bool stop) { workers_->pause(stop); }
    bool idle() const { return runs_.idle(); }

private:
    float *magnitudes(std::int64_t frame) override { return runs_.magnitudes(frame); }
    void analysed(std::int64_t frame) override;
    FrameMasks masks(std::int64_t frame) override { return masks_.choose(frame); }

    void make_workers();
    bool wait_now(double now, std::size_t count);
    void start(std::int64_t position);
    void run_block(const StreamInput &in, std::size_t count, const StreamOutput *outs, const StreamOutput &mix,
                   std::size_t at, std::size_t out_count);

    const StreamShape shape_;
    const StreamOptions options_; // with the defaults of shape_ filled in
    const std::size_t stems_, workspace_floats_;
    StreamNetworks networks_;
    Runs runs_;
    Masks masks_;
    Signal signal_;
    Mixer mixer_;
    std::vector<const float *> sources_; // [stems]
    Lead lead_;
    std::atomic<int> realtime_;
    Timing process_seconds_, process_load_;
    std::unique_ptr<Workers> workers_; // gone before what they work on
};

} // namespace spleeterrt

#endif
