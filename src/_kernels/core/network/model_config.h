// What a model file says of its model.
#ifndef SPLEETERRT_MODEL_CONFIG_H
#define SPLEETERRT_MODEL_CONFIG_H

#include "network/network.h"

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

    int fft_length() const // the next power of two
    {
        int length = 1;
        while (length < frame_length)
            length *= 2;
        return length;
    }
    int bins() const { return fft_length() / 2 + 1; }
};

// From JSON, as `ModelConfig.from_dict` reads it. Throws `Failure` (strict_json.h).
ModelFileConfig parse_config(const std::string &json);

} // namespace spleeterrt

#endif
