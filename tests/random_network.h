// A small network of random weights, for programs without Python.
#ifndef SPLEETERRT_RANDOM_NETWORK_H
#define SPLEETERRT_RANDOM_NETWORK_H

#include "aligned.h"
#include "network/network.h"
#include "network/network_set.h"

#include <cmath>
#include <random>
#include <vector>

namespace spleeterrt {

struct RandomNetwork {
    NetworkConfig config;
    Plan plan;
    std::vector<AlignedFloats> arenas;
    std::vector<const float *> weights;

    // alike: all stems have the same network, whose masks are near 1; else their own, with weights of both signs.
    RandomNetwork(const char *isa, std::mt19937 &random, std::size_t stems, bool alike = true)
    {
        const int filters[DEPTH] = {4, 8, 8, 16, 16, 32};
        std::copy(filters, filters + DEPTH, config.conv_n_filters);
        plan = make_plan(config, fast_kernels_for(isa), false);
        for (std::size_t stem = 0; stem < stems; stem++) {
            if (!alike || arenas.empty())
                add(random, alike);
            weights.push_back(arenas.back().data());
        }
    }

    // What an engine gets; as long as this object and the table live.
    NetworkSet set(const LayerTable &table) const
    {
        NetworkSet networks;
        networks.kernels = plan.kernels;
        networks.layers = table.rows.data();
        networks.n_layers = table.rows.size();
        networks.workspace_floats = static_cast<std::size_t>(table.workspace_floats);
        networks.weights = weights.data();
        return networks;
    }

private:
    void add(std::mt19937 &random, bool positive)
    {
        const WeightLayout layout = weight_layout(config, plan);
        arenas.emplace_back(static_cast<std::size_t>(layout.size));
        std::normal_distribution<float> normal(0, 0.1f);
        for (int layer = 0; layer < LAYERS; layer++) {
            std::vector<std::vector<float>> tensors;
            LayerTensors places;
            for (const TensorSpec &spec : layer_tensors(config, layer)) {
                tensors.emplace_back(static_cast<std::size_t>(spec.count()));
                for (float &x : tensors.back())
                    x = positive || spec.place == &LayerTensors::variance ? std::fabs(normal(random)) + 0.01f
                                                                          : 2.0f * normal(random);
                places.*spec.place = tensors.back().data();
            }
            pack_layer(config, plan, layout, layer, places, arenas.back().data());
        }
    }
};

} // namespace spleeterrt

#endif
