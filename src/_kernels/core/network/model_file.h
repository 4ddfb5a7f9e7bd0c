// A model from one `.safetensors` file as spleeterrt writes them (`spleeterrt.models.packed`; float16 and int8 kernels
// stay what they are where the plan says so): configuration and packed weights, ready for `lower` and `run_network`.
// Needs no Python.
#ifndef SPLEETERRT_MODEL_FILE_H
#define SPLEETERRT_MODEL_FILE_H

#include "aligned.h"
#include "network/byte_source.h"
#include "network/model_config.h"

#include <memory>
#include <string>
#include <vector>

namespace spleeterrt {

struct LoadedModel {
    ModelFileConfig config;
    const fast_kernels *kernels = nullptr; // never null in a loaded model
    Plan plan;
    std::vector<AlignedFloats> arenas; // of each network: packed weights, `weight_layout` long
};

// The configuration alone. False, and why not, as of `load_model`.
bool read_model_config(const std::string &path, ModelFileConfig &config, std::string &error);

// Loads a model for the instruction set `isa` ("avx512", "avx2", "generic"; null: the one that the environment
// variable SPLEETERRT_ISA names, or the best of this CPU). low_memory: as of `make_plan`.
//
// False, and a message that names the file and, where there is one, the tensor: the file is missing, damaged
// (checksums are verified) or not such a file, or the set is not on this machine. `model` is then left as it was.
// Throws std::bad_alloc alone. Whatever the file says, no more memory is taken than in proportion to its size.
bool load_model(const std::string &path, const char *isa, bool low_memory, LoadedModel &model, std::string &error);

// As of `choose_kernels`, but there have to be some: where not, the message says so.
bool choose_model_kernels(const char *isa, const fast_kernels *&kernels, std::string &error);

class ModelFile;

struct StoredTensor {
    std::string name, dtype; // "vocals/conv2d/kernel", "F32"
};

// An open model file, for readers of single tensors or stems; for one thread at a time. Failures and their messages are
// those of `load_model`.
class ModelReader {
public:
    ModelReader();
    ~ModelReader();

    // The header and the configuration. What follows is for a file that could be opened.
    bool open(const std::string &path, std::string &error);
    // The same of bytes in memory, which outlive this object. name: instead of the file's in messages.
    bool open(const void *bytes, std::size_t size, const std::string &name, std::string &error);
    const ModelFileConfig &config() const;
    std::vector<StoredTensor> tensors() const; // all that the file holds, by name

    // Whether every stem's tensors are there, by the header.
    bool check(std::string &error) const;
    // A tensor of a file that was checked, in float32: values [spec.count()].
    bool read(const std::string &stem, const TensorSpec &spec, float *values, std::string &error);
    // What the kernels of a file that was checked are stored in, for `make_plan`: of each layer, if all stems' are
    // alike.
    WeightTypes types() const;
    // All of a stem's tensors, of a file that was checked, packed as a plan for its types wants: arena, `weight_layout`
    // long.
    bool load(const Plan &plan, const std::string &stem, AlignedFloats &arena, std::string &error);
    // The same into zeros that start at a cache line.
    bool load(const Plan &plan, const std::string &stem, float *arena, std::string &error);

private:
    std::string name_;
    std::unique_ptr<ModelFile> file_;
};

} // namespace spleeterrt

#endif
