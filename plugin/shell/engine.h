// A stream of the C interface with the stems in the product's order.
#ifndef SPLEETERRT_PLUGIN_ENGINE_H
#define SPLEETERRT_PLUGIN_ENGINE_H

#include "shell/models.h"
#include "shell/parameters.h"
#include "shell/product.h"

#include <cstdint>
#include <memory>
#include <string>

namespace spleeterrt::plugin {

// What an engine is made of, beside the model.
struct Setting {
    double rate = 44100;
    std::uint32_t block = 512; // the largest
    int mode = middle_mode;
    int late = -1; // the stem that is heard when the networks are late; -1: the last one

    bool operator==(const Setting &o) const
    {
        return rate == o.rate && block == o.block && mode == o.mode && late == o.late;
    }
    bool operator!=(const Setting &o) const { return !(*this == o); }
};

constexpr std::uint32_t most_block = 32768; // larger ones are cut

// The options of a setting's stream; options.stems points into `stems`.
srt_options stream_options(const Setting &setting, const std::string &stems);

// Exact, before there is a model. (At a rate that no stream takes, where there never will be an engine: about what the
// others have.)
std::uint32_t latency_of(const Setting &setting);

class Engine {
public:
    // null, and why not.
    static std::unique_ptr<Engine> make(const Product &product, const Setting &setting, const SharedModel &model,
                                        const std::string &file, std::string &problem);
    ~Engine() { srt_destroy(stream_); }
    Engine(const Engine &) = delete;
    Engine &operator=(const Engine &) = delete;

    const std::string &file() const { return file_; }

    // --- audio ---
    void set_waiting(bool waiting) { srt_set_realtime(stream_, !waiting); } // for the networks
    void start(std::uint64_t position) { srt_reset_at(stream_, static_cast<std::int64_t>(position)); }
    // stems: two channels of each of the product's; count: at most the largest block.
    void process(const float *const *in, float *const *stems, std::uint32_t count);
    srt_stats stats() const;
    void reset_stats() { srt_reset_stats(stream_); }

private:
    Engine() = default;

    SharedModel model_;
    std::string file_;
    srt_stream *stream_ = nullptr;
    int stems_ = 0;
    int place_[most_stems] = {}; // in the product, of each of the stream's
};

} // namespace spleeterrt::plugin

#endif
