// Models in C; see spleeterrt.h.
#include "c/model.h"

#include "c/common.h"
#include "sound/modes.h"

#include <algorithm>
#include <numeric>

using namespace spleeterrt;

bool srt_model::open(const std::string &path, const char *isa, bool low_memory, std::string &error)
{
    return opened(reader_->open(path, error), isa, low_memory, error);
}

bool srt_model::open(const void *bytes, std::size_t size, const char *isa, bool low_memory, std::string &error)
{
    return opened(reader_->open(bytes, size, "model in memory", error), isa, low_memory, error);
}

bool srt_model::opened(bool readable, const char *isa, bool low_memory, std::string &error)
{
    const fast_kernels *kernels = nullptr;
    if (!readable || !choose_model_kernels(isa, kernels, error) || !reader_->check(error))
        return false;
    config_ = reader_->config();
    stems_ = model_stems(config_.instruments);
    plan_ = make_plan(config_.network, kernels, low_memory);
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

bool srt_model::load(std::string &error)
{
    std::vector<std::size_t> all(config_.instruments.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    std::vector<const float *> found;
    return weights(all, found, error);
}

namespace {

template <typename Open> int open_model(const srt_model_options *options, srt_model **model, char *message, Open open)
{
    return guarded(message, [&] {
        if (!model)
            return told(SRT_BAD_ARGUMENT, message, "model: expected a place for the model, got NULL");
        *model = nullptr;
        srt_model_options wanted = srt_default_model_options();
        if (!take_over(options, offsetof(srt_model_options, low_memory) + sizeof wanted.low_memory, wanted))
            return told(SRT_BAD_OPTIONS, message,
                        "options: begin with srt_default_model_options() of this version of the library or an earlier "
                        "one");
        ModelUse made = ModelUse::adopt(new srt_model);
        std::string problem;
        const int code = open(*made, wanted, problem);
        if (code == SRT_OK)
            *model = made.detach();
        return told(code, message, problem);
    });
}

} // namespace

extern "C" {

srt_model_options srt_default_model_options(void)
{
    srt_model_options options = {};
    options.size = sizeof options;
    return options;
}

int srt_model_open(const char *path, const srt_model_options *options, srt_model **model, char *message)
{
    return open_model(options, model, message, [&](srt_model &made, const srt_model_options &o, std::string &problem) {
        if (!path) {
            problem = "no model file was named";
            return SRT_BAD_ARGUMENT;
        }
        return made.open(path, o.isa, o.low_memory, problem) ? SRT_OK : SRT_BAD_MODEL;
    });
}

int srt_model_open_memory(const void *bytes, size_t size, const srt_model_options *options, srt_model **model,
                          char *message)
{
    return open_model(options, model, message, [&](srt_model &made, const srt_model_options &o, std::string &problem) {
        if (!bytes) {
            problem = "no bytes of a model were given";
            return SRT_BAD_ARGUMENT;
        }
        return made.open(bytes, size, o.isa, o.low_memory, problem) ? SRT_OK : SRT_BAD_MODEL;
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
