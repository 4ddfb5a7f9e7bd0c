#include "model.h"

#include "host.h"
#include "sound/modes.h"

#include <cstdlib>

namespace spleeterrt {
namespace {

constexpr const char *isa = "generic"; // the set of this module, whatever its instructions

// One network on one segment, in the worker of somebody else's separation.
struct Forward {
    long long frames = 0;
    LayerTable table;
    std::vector<network_layer> narrowed;
    AlignedFloats workspace;
    std::vector<const float *> weights;
    NetworkSet networks;
};

Forward &the_forward()
{
    static Forward forward;
    return forward;
}

} // namespace

WebModel &the_model()
{
    static WebModel model;
    return model;
}

int tell_problem(const std::string &problem)
{
    the_model().text = problem;
    return static_cast<int>(problem.size());
}

NetworkSet WebModel::networks(const LayerTable &table, const std::vector<std::size_t> &indices,
                              std::vector<const float *> &weights) const
{
    weights.clear();
    for (const std::size_t network : indices)
        weights.push_back(arenas[network].data());
    NetworkSet set;
    set.kernels = kernels;
    set.use(table);
    set.weights = weights.data();
    set.softmax = config.softmax;
    return set;
}

} // namespace spleeterrt

using namespace spleeterrt;

// --- memory and texts ------------------------------------------------------------------------------

SRT_EXPORT(srt_alloc) void *srt_alloc(std::size_t bytes)
{
    void *block = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!block)
        srt_host_fail(srt_host_no_memory, "not enough memory");
    return block;
}

SRT_EXPORT(srt_free) void srt_free(void *block) { std::free(block); }

// UTF-8, of srt_text_length bytes.
SRT_EXPORT(srt_text) const char *srt_text() { return the_model().text.data(); }
SRT_EXPORT(srt_text_length) std::size_t srt_text_length() { return the_model().text.size(); }

// --- the model -------------------------------------------------------------------------------------

// Header and configuration. Problems, here and below: the length of a text that says which; 0: none.
SRT_EXPORT(srt_open) int srt_open(double size, int low_memory)
{
    WebModel &m = the_model();
    std::string problem;
    m.file_size = static_cast<std::uint64_t>(size);
    if (!choose_model_kernels(isa, m.kernels, problem) || !m.reader.open("", problem) || !m.reader.check(problem))
        return tell_problem(problem);
    m.config = m.reader.config();
    m.plan = make_plan(m.config.network, m.kernels, low_memory, m.reader.types());
    m.arenas.resize(m.config.instruments.size());
    return 0;
}

SRT_EXPORT(srt_sample_rate) int srt_sample_rate() { return the_model().config.sample_rate; }
SRT_EXPORT(srt_frames) int srt_frames() { return the_model().config.T; }
SRT_EXPORT(srt_frame_length) int srt_frame_length() { return the_model().config.frame_length; }
SRT_EXPORT(srt_frame_step) int srt_frame_step() { return the_model().config.frame_step; }
SRT_EXPORT(srt_networks) int srt_networks() { return static_cast<int>(the_model().config.instruments.size()); }
SRT_EXPORT(srt_network_name) int srt_network_name(int network)
{
    return tell_problem(the_model().config.instruments[static_cast<std::size_t>(network)]);
}

// Whether a network is one of the model's where nobody names stems.
SRT_EXPORT(srt_network_is_usual) int srt_network_is_usual(int network)
{
    const auto &held = the_model().config.instruments;
    for (const std::string &stem : model_stems(held))
        if (stem == held[static_cast<std::size_t>(network)])
            return 1;
    return 0;
}

SRT_EXPORT(srt_load) int srt_load(int network)
{
    WebModel &m = the_model();
    AlignedFloats &arena = m.arenas[static_cast<std::size_t>(network)];
    std::string problem;
    if (!arena.size())
        m.reader.load(m.plan, m.config.instruments[static_cast<std::size_t>(network)], arena, problem);
    return tell_problem(problem);
}

// --- one network on one segment --------------------------------------------------------------------

// Floats of a segment of the model's T frames: [T][F][2].
SRT_EXPORT(srt_segment_floats) std::size_t srt_segment_floats()
{
    const ModelFileConfig &c = the_model().config;
    return static_cast<std::size_t>(c.T) * static_cast<std::size_t>(c.F) * 2;
}

// A network that was loaded here, for other frames than the model's T where `frames` is not 0. wanted: how many of its
// frames, from the first one on, come out; 0: all.
SRT_EXPORT(srt_forward) void srt_forward(int network, int frames, int wanted, const float *input, float *output)
{
    const WebModel &m = the_model();
    Forward &f = the_forward();
    const long long all = frames ? frames : m.config.T;
    if (f.frames != all) {
        f.frames = all;
        f.table = lower(m.config.network, m.plan, all, m.config.F);
        f.workspace = AlignedFloats(static_cast<std::size_t>(f.table.workspace_floats));
    }
    f.networks = m.networks(f.table, {static_cast<std::size_t>(network)}, f.weights);
    if (wanted && wanted < all) {
        f.narrowed.resize(f.table.rows.size());
        f.networks = narrowed(f.networks, 0, static_cast<std::size_t>(wanted), f.narrowed.data());
    }
    f.networks.run(0, input, output, f.workspace.data());
}
