// The rules of a stream: from what is asked (request.h) to how the engine works, and what follows from that; see
// engine.h for the words. C, Python and the command line only translate types.
#ifndef SPLEETERRT_STREAM_OPTIONS_H
#define SPLEETERRT_STREAM_OPTIONS_H

#include "network/model_config.h"
#include "sound/modes.h"
#include "stream/request.h"

#include <cstddef>
#include <string>
#include <vector>

namespace spleeterrt {

// What the engine goes by: facts of the model, and the options (option_list.h) with their defaults worked out.
#define SRT_ENGINE_OPTION(kind, name, usual, ...) \
    OptionTypes<OptionKind::kind>::engine name =  \
        static_cast<OptionTypes<OptionKind::kind>::engine>((usual) < 0 ? 0 : (usual));
#define SRT_NO_OPTION(...)
struct StreamOptions {
    // Of the model.
    std::size_t frame_length = 4096, frame_step = 1024, fft_length = 4096;
    unsigned model_rate = 44100;
    float exponent = 2.0f;
    bool average = false; // masks above F

    SRT_STREAM_OPTIONS(SRT_ENGINE_OPTION, SRT_NO_OPTION, SRT_NO_OPTION, SRT_ENGINE_OPTION)

    std::size_t synthesis = 0;   // samples of the synthesis window; 0: the frame length
    double ramp_seconds = 0.02;  // of gain changes
    const char *isa = "generic"; // of the STFT
};
#undef SRT_ENGINE_OPTION

// A numeric field of StreamOptions, for programs that go by names.
struct StreamField {
    const char *name;
    double (*get)(const StreamOptions &);
    void (*set)(StreamOptions &, double);
};

const std::vector<StreamField> &stream_fields();

// What the mode makes of a model, as asked for, or why it cannot (else "").
std::string plan_stream(const StreamRequest &request, const ModelFileConfig &config, ModePlan &plan);

// The engine's options for a model and a mode's plan, or why they make no sense (else ""): all defaults, limits and
// what depends on what. isa: left alone.
std::string resolve_stream(const StreamRequest &request, const ModelFileConfig &config, const ModePlan &mode,
                           StreamOptions &options);

// Why options of the engine do not go together, or "".
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
