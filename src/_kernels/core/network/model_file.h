// A model from one `.safetensors` file as spleeterrt writes them (`spleeterrt.models.packed`; float16 and int8 kernels
// become float32): configuration and packed weights, ready for `lower` and `run_network`. Needs no Python.
#ifndef SPLEETERRT_MODEL_FILE_H
#define SPLEETERRT_MODEL_FILE_H

#include "aligned.h"
#include "network/network.h"

#include <memory>
#include <string>
#include <vector>

namespace spleeterrt {

// Names and limits as of `spleeterrt.network.config.ModelConfig`.
struct ModelFileConfig {
    std::vector<std::string> instruments; // stem names (UTF-8), in the model's order
    std::string model_dir;
    int sample_rate = 44100;                    // Hz
    int frame_length = 4096, frame_step = 1024; // of the STFT, in samples
    int T = 512, F = 1024;                      // frames and bins of one input of the network
    double separation_exponent = 2;             // of the ratio mask
    enum class MaskExtension { zeros, average } mask_extension = MaskExtension::zeros; // above bin F
    bool softmax = false; // masks by a softmax across stems ("unet.softmax_unet")
    NetworkConfig network;

    int fft_length() const; // the next power of two
    int bins() const { return fft_length() / 2 + 1; }
};

struct LoadedModel {
    ModelFileConfig config;
    const fast_kernels *kernels = nullptr; // never null in a loaded model
    Plan plan;
    std::vector<AlignedFloats> arenas; // of each network: packed weights, `weight_layout` long
};

// The configuration alone. False, and why not, as of `load_model`.
bool read_model_config(const std::string &path, ModelFileConfig &config, std::string &error);

// Loads a model for the instruction set `isa` ("avx512", "avx2", "generic"; null: the one that the environment
// variable SPLEETERRT_ISA names, or the best of this CPU). low_memory: as of `make_plan`. networks: the stems whose
// weights are wanted, in that order; null: all.
//
// False, and a message that names the file and, where there is one, the tensor: the file is missing, damaged
// (checksums are verified) or not such a file, or the set is not on this machine. `model` is then left as it was.
// Never throws. Whatever the file says, no more memory is taken than in proportion to its size.
bool load_model(const std::string &path, const char *isa, bool low_memory, LoadedModel &model, std::string &error,
                const std::vector<std::size_t> *networks = nullptr);

class ModelFile;

struct StoredTensor {
    std::string name, dtype; // "vocals/conv2d/kernel", "F32"
};

// An open model file, for readers of single tensors (Python). Failures and their messages are those of `load_model`.
class ModelReader {
public:
    ModelReader();
    ~ModelReader();

    // The header and the configuration. What follows is for a file that could be opened.
    bool open(const std::string &path, std::string &error);
    const ModelFileConfig &config() const;
    std::vector<StoredTensor> tensors() const; // all that the file holds, by name

    // Whether every stem's tensors are there, by the header.
    bool check(std::string &error) const;
    // A tensor of a file that was checked, in float32: values [spec.count()].
    bool read(const std::string &stem, const TensorSpec &spec, float *values, std::string &error);

private:
    std::string path_;
    std::unique_ptr<ModelFile> file_;
};

} // namespace spleeterrt

#endif
