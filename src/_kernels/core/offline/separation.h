// The stems of a whole signal in constant memory: the offline engine. Knows no Python, files or threads.
//
//     push -> window of some segments -> |STFT| -> networks -> masks, inverse STFT, overlap-add -> the caller's outputs
//
// Segments of T frames are independent of one another up to the overlap-add, so a few of them at a time give exactly
// the whole signal's result, whatever the blocks. The multichannel Wiener filter is the exception: its covariances are
// sums over the whole signal, which therefore comes twice.
//
// The engine never works of its own accord. It says what it wants, and the caller, who owns the threads, gives it:
//
//     for (;;)
//         switch (separation.wants()) {
//         case Want::samples: // push the next ones, as many as it takes; behind the last one: finish()
//         case Want::tasks:   // run(0 ... tasks() - 1), in any order and in any threads; when all are done: complete()
//         case Want::outputs: // place(memory for samples() samples of each stem), which the next tasks fill
//         case Want::again:   // the Wiener filter's second pass: again(), then the same samples once more
//         case Want::nothing: // the end
//         }
//
// Results do not depend on blocks, threads or segments at a time. Only the constructor takes memory.
#ifndef SPLEETERRT_SEPARATION_H
#define SPLEETERRT_SEPARATION_H

#include "aligned.h"
#include "network/network_set.h"
#include "offline/window.h"
#include "sound/modes.h"
#include "sound/spectral.h"

#include <algorithm>
#include <complex>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace spleeterrt {

struct SeparationOptions {
    // Of the model.
    std::size_t frame_length = 4096, frame_step = 1024, fft_length = 4096;
    std::size_t frames = 512, bins = 1024; // T, F
    float exponent = 2.0f;                 // of ratio masks
    bool average = false;                  // masks above F: the mean of those below

    std::size_t segments = 1;     // at a time
    std::size_t piece_frames = 0; // frames whose sound comes out together; 0: those of all segments
    bool wiener = false;          // multichannel Wiener filter instead of the masks, silent above F; mode ratio
    const char *isa = "generic";  // of the STFT
};

// Why options make no sense for a mode, or "".
std::string check_separation(const SeparationOptions &options, const ModePlan &mode);

// Segments at a time: the fewest whose networks keep all threads busy to the end.
std::size_t segments_at_a_time(const ModePlan &mode, std::size_t threads);
std::size_t segments_at_a_time(std::size_t networks, std::size_t threads);

enum class Want { samples, tasks, outputs, again, nothing };

class Separation {
public:
    // Options as `check_separation` accepts them; networks: those of the mode, in its order. Throws std::bad_alloc.
    Separation(const NetworkSet &networks, const ModePlan &mode, const SeparationOptions &options);
    // The same for callers without exceptions: null where memory is short.
    static std::unique_ptr<Separation> make(const NetworkSet &networks, const ModePlan &mode,
                                            const SeparationOptions &options);

    Want wants() const;

    // Want::samples. Stereo samples [count][2] below `largest_sample`; how many were taken, at least one: fewer than
    // `count` where there is something to do first.
    std::size_t push(const float *samples, std::size_t count);
    void finish();

    // Want::tasks. Each thread has a workspace, `workspace_floats()` long, at a cache line, whose content does not
    // matter. Those of the networks are large (some 30 MB), those of the other tasks some 0.8 MB.
    std::size_t tasks() const;
    bool networks_run() const { return stage_ == Stage::networks; } // in these tasks
    std::size_t workspace_floats() const { return networks_run() ? networks_.workspace_floats : sound_floats_; }
    std::size_t most_workspace_floats() const; // enough for all tasks
    void run(std::size_t task, float *workspace);
    void run_network(std::size_t task, float *workspace, fast_team *team); // `run` while networks_run(), with helpers
    void complete();
    // A task while networks_run(), for callers whose networks run elsewhere (in other Web Workers' memories): instead
    // of `run`, they write the estimates.
    struct NetworkTask {
        std::size_t network; // of the mode's
        std::size_t frames;  // of the segment, from its first one on, that are wanted: the signal may end within it
        const float *heard;  // [T][F][2]
        float *estimates;    // [frames][F][2]; of a softmax model the logits
    };
    NetworkTask network_task(std::size_t task);

    // Want::outputs: the samples [position(), position() + samples()) of the signal; outs: [samples()][2] of each stem
    // of the mode, of which that of the rest may be nullptr. The tasks that
    // follow fill them.
    // mix(): the signal there, [samples()][2], until outputs are placed.
    std::uint64_t position() const { return piece_.first - options_.frame_length; }
    std::size_t samples() const { return static_cast<std::size_t>(piece_.last - piece_.first); }
    std::size_t most_samples() const { return options_.piece_frames * options_.frame_step; } // of any piece
    const float *mix() const { return window_.samples() + (piece_.first - window_start_) * 2; }
    void place(float *const *outs);

    // Want::again.
    void again();

    // At any time: forgets the signal.
    void reset();

    // How often the networks have run on all segments of a window, all passes counted, and how many samples of the
    // signal they had heard by then in this pass.
    std::uint64_t windows_heard() const { return windows_heard_; }
    std::uint64_t samples_heard() const { return samples_heard_; }

private:
    enum class Stage {
        filling,
        analysis,
        networks,
        softmax,
        leaving,
        spectrum,
        covariance,
        placing,
        filter,
        synthesis,
        rewinding,
        ended
    };
    struct Piece { // samples counted from the prepended zeros
        std::uint64_t start = 0, first = 0, last = 0;
        std::size_t frame = 0, frames = 0; // in the window
    };
    struct Wiener {
        std::vector<double> sums, peaks; // [networks][F][covariance_terms]; of each task
        double peak = 0;
        AlignedFloats spectrum, filtered; // complex [T][bins][2]; [T][networks][F][2]
    };

    std::size_t row() const { return options_.bins * 2; }
    std::size_t segment_floats() const { return options_.frames * row(); }
    std::size_t segments() const { return (window_frames_ + options_.frames - 1) / options_.frames; }
    std::size_t plane() const { return segments() * segment_floats(); }
    // What lies behind them in the segment is padding.
    std::size_t frames_of(std::size_t segment) const
    {
        return std::min(options_.frames, window_frames_ - segment * options_.frames);
    }
    std::size_t signal_frames() const;
    const float *window_at(std::size_t frame) const;
    std::complex<float> *spectrum() { return reinterpret_cast<std::complex<float> *>(wiener_.spectrum.data()); }
    std::complex<float> *filtered() { return reinterpret_cast<std::complex<float> *>(wiener_.filtered.data()); }

    void prepare_synthesis();
    void begin_pass();
    void begin_window(std::size_t frames);
    void end_window();
    void heard();
    void next_piece();
    void begin_synthesis();
    void leave_rest();

    void analyse(std::size_t first, std::size_t end, float *workspace);
    void finish_segment(std::size_t segment);
    void leave(std::size_t segment);
    void write_spectrum(std::size_t task, float *workspace);
    void add_covariances(std::size_t task);
    void filter(std::size_t frame);

    const NetworkSet networks_;
    std::vector<network_layer> ending_layers_; // narrowed to the frames of a segment in which the signal ends
    NetworkSet ending_;
    const ModePlan mode_;
    SeparationOptions options_;
    const std::size_t most_frames_; // in a window
    std::unique_ptr<Stft> stft_;
    SignalWindow window_;
    AlignedFloats magnitudes_, estimates_; // [segments][T][F][2]; [networks][segments][T][F][2]
    AlignedFloats left_;                   // of a cascade: what the networks so far leave of the magnitudes
    Wiener wiener_;

    Stage stage_ = Stage::filling;
    bool second_ = false, finished_ = false; // pass; no more samples in it
    std::uint64_t received_ = 0;             // samples of this pass
    std::uint64_t frames_done_ = 0, window_start_ = 0;
    std::size_t window_frames_ = 0; // that belong to the signal
    std::size_t round_ = 0;         // of a cascade
    Piece piece_;
    std::uint64_t windows_heard_ = 0, samples_heard_ = 0;

    Synthesis job_;
    std::size_t sound_floats_ = 0;
    std::vector<std::size_t> chosen_; // networks whose stems are made
    std::vector<float *> outs_;       // of these
    float *rest_ = nullptr;
    std::vector<float> tails_, carry_;
};

} // namespace spleeterrt

#endif
