// Stems while the music plays: the real-time engine. Knows no Python.
//
//     process(block):  samples -> ring -> |STFT| of each finished frame -> window of T frames, every hop_frames
//                                          |                                         |
//                                          |                              workers: the networks
//                                          v                                         |
//     the block,       overlap-add <- masks x STFT of the frame that is due <--------+
//     `latency` later
//
// Frames are numbered as offline: frame i sees the samples [i h - N, i h) (N: frame length, h: step). Run r sees
// the frames [e - T, e), e = (r + 1) hop_frames, and gives the masks of [e - lookahead - hop_frames,
// e - lookahead); it begins when frame e - 1 is complete, and its first frame is due `budget` samples later. With
// hop_frames = T these are the segments of a file. In hold mode every frame is due at once, under the newest mask
// that there is.
//
// The mode (../modes.h) says which networks run, on what, and what becomes of their estimates. A cascade's networks see
// the same window one after the other, each what the one before leaves of it: one STFT, one latency, twice the time.
//
// The caller of `process` does all but the networks, never waits in real time, takes no lock and allocates
// nothing. It and the workers share slots (a window, its estimates, an atomic state) and a semaphore. What is
// late is covered: the last mask is held, later the mix goes to one stem.
#ifndef SPLEETERRT_STREAM_ENGINE_H
#define SPLEETERRT_STREAM_ENGINE_H

#include "aligned.h"
#include "network/executor.h"
#include "sound/modes.h"
#include "sound/spectral.h"
#include "stream/counting_semaphore.h"
#include "stream/options.h"
#include "stream/resampler.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace spleeterrt {

// The networks, lowered for T x F. Everything behind the pointers outlives the engine.
struct StreamNetwork {
    const fast_kernels *kernels = nullptr;
    const network_layer *layers = nullptr;
    std::size_t n_layers = 0, workspace_floats = 0;
    const float *const *weights = nullptr; // of mode.networks
    bool softmax = false;
    reference_layer reference = nullptr;
    ModePlan mode;
};

struct StreamStats {
    std::uint64_t runs = 0;                        // finished runs of the networks
    std::uint64_t underruns = 0;                   // runs that were not ready when due
    std::uint64_t dropped = 0;                     // runs that never began, because newer ones were waiting
    std::uint64_t covered_frames = 0;              // frames under an older mask than their own
    std::uint64_t repaired = 0;                    // input samples that were not numbers, or absurdly large: made zero
    double load = 0;                               // seconds of a run over the seconds between runs, smoothed
    double run_seconds = 0, worst_run_seconds = 0; // from due to begin until ready
    double process_seconds = 0, worst_process_seconds = 0; // of `process`: smoothed, worst
    double process_load = 0;                               // process_seconds over the time of its blocks, smoothed
    bool priority_refused = false;                         // the system does not allow options.priority
};

// Stereo samples of the caller: channel c of sample i is at channel[c][i * stride].
struct StreamInput {
    const float *channel[2];
    std::ptrdiff_t stride;
};
struct StreamOutput {
    float *channel[2]; // nullptr: not wanted
    std::ptrdiff_t stride;
};

class StreamEngine {
public:
    // Options as `check_stream` accepts them. Throws std::bad_alloc, or std::system_error where the system gives not
    // even one thread.
    StreamEngine(const StreamNetwork &network, const StreamOptions &options);
    ~StreamEngine();
    StreamEngine(const StreamEngine &) = delete;
    StreamEngine &operator=(const StreamEngine &) = delete;

    std::size_t latency() const { return shape_.latency; }
    std::size_t stems() const { return stems_; }
    std::size_t largest_block() const { return shape_.block; }
    bool block_is_fixed() const { return shape_.fixed; }
    std::size_t threads() const { return options_.threads; } // fewer than asked for where the system gives no more

    // The next `count` samples in, of all stems out (delayed by `latency`). Every channel of outs[stems] and of
    // mix, the sum of the stems under their gains, may be nullptr. count: <= largest_block(), and exactly that
    // where the block is fixed. Input and output may be the same memory.
    void process(const StreamInput &in, const StreamOutput *outs, const StreamOutput &mix, std::size_t count);

    // From here on, not from within an audio callback.

    // As if `latency` zeros came in, waiting for the networks: the rest of the signal. Then begins anew.
    void flush(const StreamOutput *outs, const StreamOutput &mix);
    // Forget the signal. Waits for networks that run.
    void reset();

    // From any thread.
    void set_gain(std::size_t stem, float gain); // takes effect in the next call of process, smoothly
    float gain(std::size_t stem) const { return gains_[stem].target.load(std::memory_order_relaxed); }
    StreamStats stats() const;
    void reset_stats();

    // For tests: the workers stand still; whether they have nothing to do.
    void pause(bool stop);
    bool idle() const;

private:
    enum State { Free, Pending, Running, Done };
    struct Slot {
        std::atomic<int> state{Free};
        std::atomic<std::int64_t> run{0};
        std::atomic<double> begun{0};
        float *window = nullptr;          // [T][F][2]
        float *rest = nullptr;            // of a cascade: what is left of the window
        float *estimates = nullptr;       // [networks][rows][F][2]
        std::size_t next_task = 0;        // under choice_
        std::atomic<std::size_t> left{0}; // tasks
    };
    struct Gain { // goes to its goal over ramp_ samples
        std::atomic<float> target{1.0f};
        float from = 1.0f, goal = 1.0f;
        std::size_t done = 0;
    };
    struct Worker {
        std::thread thread;
        float *workspace = nullptr;
    };

    void start_workers();
    void shut_down();

    // In the caller's thread: the signal.
    void set_masks_of_silence();
    void start();
    void run_block(const StreamInput &in, std::size_t count, const StreamOutput *outs, const StreamOutput &mix,
                   std::size_t at, std::size_t out_count);
    void read_gains();
    void take(const StreamInput &in, std::size_t count);
    void append(float left, float right);
    void gather(std::int64_t frame);
    void finish_frame();
    void submit(std::int64_t run);

    // Stems.
    std::size_t advance();
    std::size_t ready_at() const;
    void next_resampled(std::size_t at);
    void synthesise_frame();
    std::int64_t due_run(std::int64_t frame) const;
    void choose_masks(std::int64_t frame);
    void masks_of(const Slot &slot, std::size_t row, float *masks);
    void extend();
    void fade_in(std::int64_t run, std::size_t row);
    void cover();
    Slot *find(std::int64_t run);
    Slot *newest_done(std::int64_t from);
    Slot *take_back();
    Slot *await(std::int64_t run);
    template <typename Condition> void wait_for(Condition condition);
    void release(std::int64_t before);
    float gain_at(const Gain &gain, std::size_t i) const;
    void write(const StreamOutput *outs, const StreamOutput &mix, std::size_t at, std::size_t count);

    // In the workers.
    void work(Worker &worker);
    Slot *choose(std::size_t &task);
    void run_task(Slot &slot, std::size_t task, float *workspace);
    void run_network_on(const float *window, std::size_t network, const network_layer *layers, float *workspace,
                        float *estimate) const;
    void finish(Slot &slot);
    void stand_still();

    StreamNetwork network_;
    StreamOptions options_;
    std::vector<network_layer> layers_; // narrowed to the frames that are kept
    const StreamShape shape_;
    const std::size_t stems_, networks_;
    const std::size_t tasks_per_run_;   // a cascade is one
    std::vector<float> silent_, above_; // of each stem: the mask of silence; that above F, unless it is the mean
    std::size_t ramp_ = 0, hold_frames_ = 0;
    bool waiting_ = false;                 // for the networks, in the call at hand
    std::unique_ptr<Stft> heard_, masked_; // for the networks; for the masks
    std::vector<AlignedFloats> memory_;

    // The signal, at the model's rate.
    float *ring_ = nullptr; // [ring_samples_][2]
    std::size_t ring_samples_ = 0;
    std::int64_t received_ = 0;    // samples
    std::int64_t frames_ = 0;      // analysed
    float *magnitudes_ = nullptr;  // ring of T rows [F][2]
    std::int64_t emitted_ = 0;     // index of the next sample to leave, in the signal (begins at -core_latency)
    std::int64_t synthesised_ = 0; // the next frame
    float *frame_ = nullptr, *scratch_ = nullptr;
    float *masks_ = nullptr, *held_ = nullptr, *other_ = nullptr; // [stems][F][2]
    float *extensions_ = nullptr, *held_extensions_ = nullptr;    // [stems][2]
    float *sums_ = nullptr;                                       // [stems][frame_length][2]
    float *ready_ = nullptr, *zeros_ = nullptr; // [stems][frame_step][2] finished samples; [frame_step][2]
    std::size_t covered_in_a_row_ = 0;
    std::int64_t last_used_ = -1, last_counted_ = -1; // runs whose masks were used, counted as late
    std::int64_t submitted_ = -1, begun_before_ = -1; // the newest run; the newest one before this call

    // At another rate.
    std::unique_ptr<ResamplerFilter> down_filter_, up_filter_;
    std::unique_ptr<Resampler> down_;
    std::vector<Resampler> up_;

    std::unique_ptr<Gain[]> gains_;
    std::vector<float> out_;             // [stems][chunk][2] of resampled output
    std::vector<const float *> sources_; // [stems]

    std::unique_ptr<Slot[]> slots_;
    std::unique_ptr<Worker[]> workers_;
    Semaphore tasks_;
    std::mutex choice_; // between workers
    std::mutex finished_mutex_;
    std::condition_variable finished_; // for callers that wait
    std::atomic<bool> stop_{false}, paused_{false}, priority_refused_{false};
    std::mutex pause_mutex_;
    std::condition_variable pause_;

    std::atomic<std::uint64_t> runs_{0}, underruns_{0}, dropped_{0}, covered_{0}, repaired_{0};
    std::atomic<double> run_seconds_{0}, worst_run_{0}, process_seconds_{0}, worst_process_{0}, process_load_{0};
};

} // namespace spleeterrt

#endif
