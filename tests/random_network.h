// A small network of random weights, for programs without Python.
#ifndef SPLEETERRT_RANDOM_NETWORK_H
#define SPLEETERRT_RANDOM_NETWORK_H

#include "network/network.h"
#include "stream/engine.h"

#include <cmath>
#include <random>
#include <vector>

namespace spleeterrt {

struct RandomNetwork {
    NetworkConfig config;
    Plan plan;
    std::vector<float> memory;
    float *arena = nullptr;
    std::vector<const float *> weights;

    // All stems' networks are the same.
    RandomNetwork(const char *isa, std::mt19937 &random, std::size_t stems)
    {
        const int filters[DEPTH] = {4, 8, 8, 16, 16, 32};
        std::copy(filters, filters + DEPTH, config.conv_n_filters);
        plan = make_plan(config, fast_kernels_for(isa), false);
        const WeightLayout layout = weight_layout(config, plan);
        memory.resize(static_cast<std::size_t>(layout.size) + 16);
        arena = memory.data();
        while (reinterpret_cast<std::uintptr_t>(arena) % 64)
            arena++;
        std::normal_distribution<float> normal(0, 0.1f);
        for (int layer = 0; layer < LAYERS; layer++) {
            std::vector<std::vector<float>> tensors;
            LayerTensors places;
            for (const TensorSpec &spec : layer_tensors(config, layer)) {
                tensors.emplace_back(static_cast<std::size_t>(spec.count()));
                for (float &x : tensors.back())
                    x = std::fabs(normal(random)) + 0.01f; // a variance, too
                places.*spec.place = tensors.back().data();
            }
            pack_layer(config, plan, layout, layer, places, arena);
        }
        weights.assign(stems, arena);
    }
};

} // namespace spleeterrt

#endif
