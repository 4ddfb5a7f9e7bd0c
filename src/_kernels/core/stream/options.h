// How the real-time engine works, and what follows from that: see engine.h for the words.
#ifndef SPLEETERRT_STREAM_OPTIONS_H
#define SPLEETERRT_STREAM_OPTIONS_H

#include <cstddef>
#include <string>

namespace spleeterrt {

struct StreamOptions {
    // Of the model.
    std::size_t frame_length = 4096, frame_step = 1024, fft_length = 4096;
    unsigned model_rate = 44100;
    float exponent = 2.0f;
    bool average = false; // masks above F

    std::size_t frames = 128, bins = 1024; // T, F
    std::size_t hop_frames = 128, lookahead = 0;
    bool hold = false;
    std::size_t crossfade = 0; // frames at the beginning of a run that fade from the run before
    std::size_t synthesis = 0; // samples of the synthesis window; 0: the frame length
    std::size_t budget = 0;    // samples at the model's rate for the networks; 0: hop_frames * frame_step
    std::size_t max_block = 4096;
    std::size_t block = 0; // the host's fixed block; 0: any up to max_block
    unsigned sample_rate = 44100;
    std::size_t threads = 1;
    int realtime = 1;            // 0: waits for the networks; 1: never; 2: while the caller is ahead of the clock
    bool shared_threads = false; // of one pool of the process, with others that ask for it
    bool caller_runs = false;    // no threads: the caller of process calls run_next
    bool pre_fader = false;      // stems come out before their gains; the mix is under them
    bool residual = false;       // the last stem is the input minus the others
    int niceness = 0;            // added to that of the workers (Linux)
    int priority = 0;           // real-time priority of the workers, below the callback's, if the system allows (POSIX)
    std::size_t cover = 0;      // the stem that gets the mix when masks are too old
    double hold_seconds = 1.0;  // how long an old mask is held
    double ramp_seconds = 0.02; // of gain changes
    const char *isa = "generic"; // of the STFT
};

// Why options make no sense, or "".
std::string check_stream(const StreamOptions &options, std::size_t stems);

// What follows from options that `check_stream` accepts.
struct StreamShape {
    std::size_t synthesis, budget; // the options, or their defaults
    std::size_t block;             // the largest one of the host
    bool fixed;                    // all are so long, and frames and deadlines fall on their borders
    std::size_t core_latency;      // between the resamplers, in samples at the model's rate
    std::size_t latency;           // samples at options.sample_rate by which the output comes later than the input
    std::size_t first_row, rows;   // of a run's frames those whose estimates are kept
    std::size_t piece;             // of the host's blocks, that goes through all stages at once
    std::size_t model_piece;       // the most samples at the model's rate that it becomes
    std::size_t slots;             // for runs that are begun and not yet heard to their end
};

StreamShape stream_shape(const StreamOptions &options);

} // namespace spleeterrt

#endif
