// Models in C; see spleeterrt.h.
#include "c/model.h"

#include "c/common.h"
#include "sound/modes.h"

#include <algorithm>
#include <numeric>

using namespace spleeterrt;

bool srt_model::open(const std::string &path, bool low_memory, std::string &error)
{
    return opened(reader_->open(path, error), low_memory, error);
}

bool srt_model::open(const void *bytes, std::size_t size, bool low_memory, std::string &error)
{
    return opened(reader_->open(bytes, size, "model in memory", error), low_memory, error);
}

bool srt_model::opened(bool readable, bool low_memory, std::string &error)
{
    if (!readable || !reader_->check(error))
        return false;
    config_ = reader_->config();
    stems_ = model_stems(config_.instruments);
    plan_ = make_plan(config_.network, kernels_, low_memory, reader_->types());
    arenas_.resize(config_.instruments.size());
    return true;
}

bool srt_model::load(std::size_t network, std::string &error)
{
    AlignedFloats &arena = arenas_.at(network);
    return arena.size() || reader_->load(plan_, config_.instruments[network], arena, error);
}

bool srt_model::weights(const std::vector<std::size_t> &networks, std::vector<const float *> &found, std::string &error)
{
    const std::lock_guard<std::mutex> lock(loading_);
    found.clear();
    for (const std::size_t network : networks) {
        if (!load(network, error))
            return false;
        found.push_back(arenas_[network].data());
    }
    if (std::all_of(arenas_.begin(), arenas_.end(), [](const AlignedFloats &arena) { return arena.size() > 0; }))
        reader_.reset();
    return true;
}

NetworkSet srt_model::networks(const LayerTable &table, const std::vector<const float *> &weights) const
{
    NetworkSet networks;
    networks.kernels = kernels_;
    networks.use(table);
    networks.weights = weights.data();
    networks.softmax = config_.softmax;
    return networks;
}

bool srt_model::load(std::string &error)
{
    std::vector<std::size_t> all(config_.instruments.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    std::vector<const float *> found;
    return weights(all, found, error);
}

namespace {

SRT_CHECK_END(srt_model_options, reserved);

// open: reads into the new model; whether it could.
template <typename Open> int open_model(const srt_model_options *options, srt_model **model, char *message, Open open)
{
    return guarded(message, [&]() -> int {
        if (!model)
            return told(SRT_BAD_ARGUMENT, message, "model: expected a place for the model, got NULL");
        *model = nullptr;
        srt_model_options wanted = {};
        if (!take_over(options, sizeof wanted, wanted))
            return told(SRT_BAD_OPTIONS, message,
                        "options: begin with srt_default_model_options() of this version of the library or an earlier "
                        "one");
        ModelUse made = ModelUse::adopt(new srt_model);
        std::string problem;
        if (!made->choose(wanted.isa, problem))
            return told(SRT_BAD_OPTIONS, message, problem);
        if (!open(*made, wanted.low_memory, problem))
            return told(SRT_BAD_MODEL, message, problem);
        *model = made.detach();
        return SRT_OK;
    });
}

int no_model(srt_model **model, char *message, const char *problem)
{
    *model = nullptr;
    return told(SRT_BAD_ARGUMENT, message, problem);
}

} // namespace

extern "C" {

void srt_init_model_options(srt_model_options *options, size_t size)
{
    give_defaults(srt_model_options{}, options, size);
}

int srt_model_open(const char *path, const srt_model_options *options, srt_model **model, char *message)
{
    if (!path && model)
        return no_model(model, message, "no model file was named");
    return open_model(options, model, message, [&](srt_model &made, bool low_memory, std::string &problem) {
        return made.open(path, low_memory, problem);
    });
}

int srt_model_open_memory(const void *bytes, size_t size, const srt_model_options *options, srt_model **model,
                          char *message)
{
    if (!bytes && model)
        return no_model(model, message, "no bytes of a model were given");
    return open_model(options, model, message, [&](srt_model &made, bool low_memory, std::string &problem) {
        return made.open(bytes, size, low_memory, problem);
    });
}

int srt_model_load(srt_model *model, char *message)
{
    return guarded(message, [&] {
        if (!model)
            return told(SRT_BAD_ARGUMENT, message, "model: expected a model, got NULL");
        std::string problem;
        return told(model->load(problem) ? SRT_OK : SRT_BAD_MODEL, message, problem);
    });
}

srt_model *srt_model_retain(srt_model *model)
{
    if (model)
        model->retain();
    return model;
}

void srt_model_release(srt_model *model)
{
    if (model)
        model->release();
}

int srt_model_stems(const srt_model *model) { return model ? static_cast<int>(model->stems().size()) : 0; }

const char *srt_model_stem_name(const srt_model *model, int stem)
{
    if (!model || stem < 0 || stem >= srt_model_stems(model))
        return nullptr;
    return model->stems()[static_cast<std::size_t>(stem)].c_str();
}

int srt_model_sample_rate(const srt_model *model) { return model ? model->config().sample_rate : 0; }

} // extern "C"
