#include "shell/engine.h"

#include <cmath>
#include <cstring>

namespace spleeterrt::plugin {
namespace {

struct ModeOptions {
    int hop_frames, window, budget;
};

// Hosts promise a largest block and no fixed one, so that its length adds to these: 67, 116 and 6014 ms at 44.1 kHz.
const ModeOptions modes[n_modes] = {{1, 2048, 896}, {2, 2048, 0}, {128, 0, 0}};

int place_of(const Product &product, const char *name)
{
    for (int s = 0; s < product.stems; s++)
        if (std::strcmp(product.stem_names[s], name) == 0)
            return s;
    return -1;
}

} // namespace

srt_options stream_options(const Setting &setting, const std::string &stems)
{
    const ModeOptions &mode = modes[setting.mode];
    srt_options options = srt_default_options();
    options.frames = 128;
    options.hop_frames = mode.hop_frames;
    options.window = mode.window;
    options.budget = mode.budget;
    options.max_block = static_cast<int>(setting.block);
    options.sample_rate = static_cast<int>(std::lround(setting.rate));
    options.realtime = 1;
    options.cover = setting.late;
    options.stems = stems.c_str();
    options.residual = 1;
    options.shared_threads = 1;
    return options;
}

std::uint32_t latency_of(const Setting &setting)
{
    srt_options options = stream_options(setting, "");
    options.stems = nullptr;
    std::size_t latency = 0;
    if (srt_latency_of(&options, nullptr, &latency, nullptr) == SRT_OK)
        return static_cast<std::uint32_t>(latency);
    options.sample_rate = 44100;
    srt_latency_of(&options, nullptr, &latency, nullptr);
    return static_cast<std::uint32_t>(std::ceil(static_cast<double>(latency) * setting.rate / 44100));
}

std::unique_ptr<Engine> Engine::make(const Product &product, const Setting &setting, const SharedModel &model,
                                     const std::string &file, std::string &problem)
{
    std::unique_ptr<Engine> engine(new Engine);
    engine->model_ = model;
    engine->file_ = file;
    const std::string stems = stem_list(product);
    srt_options options = stream_options(setting, stems);
    for (int attempt = 0; attempt < 2; attempt++) {
        char message[SRT_MESSAGE_SIZE] = "";
        if (srt_stream_open(model.get(), &options, &engine->stream_, message) != SRT_OK) {
            problem = message;
            return nullptr;
        }
        engine->stems_ = srt_stems(engine->stream_);
        int late = options.cover;
        for (int s = 0; s < engine->stems_; s++) {
            engine->place_[s] = place_of(product, srt_stem_name(engine->stream_, s));
            if (engine->place_[s] == setting.late)
                late = s;
        }
        if (late == options.cover)
            break;
        options.cover = late; // a model of another order
        srt_destroy(engine->stream_);
        engine->stream_ = nullptr;
    }
    if (srt_latency(engine->stream_) != latency_of(setting)) {
        problem = file_name(file) + ": its stems would come at another time than hosts were told";
        return nullptr;
    }
    return engine;
}

void Engine::process(const float *const *in, float *const *stems, std::uint32_t count)
{
    float *outputs[2 * most_stems] = {};
    for (int s = 0; s < stems_; s++)
        for (int c = 0; c < 2; c++)
            outputs[2 * s + c] = stems[2 * place_[s] + c];
    srt_process(stream_, in, outputs, count);
}

srt_stats Engine::stats() const
{
    srt_stats stats = {};
    srt_get_stats(stream_, &stats, sizeof stats);
    return stats;
}

} // namespace spleeterrt::plugin
