// A model that streams and jobs share. Its configuration is read when it is opened, a network's weights when the first
// one needs them; then they stay as long as the model does.
#ifndef SPLEETERRT_C_MODEL_H
#define SPLEETERRT_C_MODEL_H

#include "c/spleeterrt.h"
#include "network/model_file.h"
#include "network/network_set.h"

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

struct srt_model {
public:
    srt_model() = default;
    srt_model(const srt_model &) = delete;
    srt_model &operator=(const srt_model &) = delete;

    // In this order, once, before anything else: for which instruction set (`choose_model_kernels`); one of the two.
    // False, and why not.
    bool choose(const char *isa, std::string &error) { return spleeterrt::choose_model_kernels(isa, kernels_, error); }
    bool open(const std::string &path, bool low_memory, std::string &error);
    bool open(const void *bytes, std::size_t size, bool low_memory, std::string &error);

    // From any thread: the last release deletes the model.
    void retain() { users_.fetch_add(1, std::memory_order_relaxed); }
    void release()
    {
        if (users_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    const spleeterrt::ModelFileConfig &config() const { return config_; }
    const spleeterrt::Plan &plan() const { return plan_; }
    const spleeterrt::fast_kernels *kernels() const { return kernels_; } // never null
    bool low_memory() const { return plan_.compact; }
    // Those that come out where nobody names any (`model_stems`); config().instruments: all that the file holds.
    const std::vector<std::string> &stems() const { return stems_; }

    // The packed weights of networks (indices into config().instruments), which are loaded if they are not yet: valid
    // as long as the model. From any thread. False, and why not: the file is damaged.
    bool weights(const std::vector<std::size_t> &networks, std::vector<const float *> &found, std::string &error);
    // What an engine gets: all of it outlives that.
    spleeterrt::NetworkSet networks(const spleeterrt::LayerTable &table,
                                    const std::vector<const float *> &weights) const;
    // The weights of all networks; the file, or the memory, is not needed any more then.
    bool load(std::string &error);

private:
    ~srt_model() = default;
    bool load(std::size_t network, std::string &error);
    bool opened(bool readable, bool low_memory, std::string &error);

    std::atomic<long> users_{1};
    const spleeterrt::fast_kernels *kernels_ = nullptr;
    spleeterrt::ModelFileConfig config_;
    std::vector<std::string> stems_;
    spleeterrt::Plan plan_;
    std::mutex loading_;                                                           // guards what follows
    std::unique_ptr<spleeterrt::ModelReader> reader_{new spleeterrt::ModelReader}; // null: all is loaded
    std::vector<spleeterrt::AlignedFloats> arenas_; // of each instrument; empty: not loaded
};

namespace spleeterrt {

// A user of a model.
class ModelUse {
public:
    ModelUse() = default;
    explicit ModelUse(srt_model *model) : model_(model) { model_->retain(); }
    ModelUse(ModelUse &&other) noexcept : model_(std::exchange(other.model_, nullptr)) {}
    ModelUse &operator=(ModelUse &&other) noexcept
    {
        std::swap(model_, other.model_);
        return *this;
    }
    ~ModelUse()
    {
        if (model_)
            model_->release();
    }
    // The first user of a new model.
    static ModelUse adopt(srt_model *model)
    {
        ModelUse use;
        use.model_ = model;
        return use;
    }
    srt_model *detach() { return std::exchange(model_, nullptr); }
    srt_model *operator->() const { return model_; }
    srt_model &operator*() const { return *model_; }

private:
    srt_model *model_ = nullptr;
};

} // namespace spleeterrt

#endif
