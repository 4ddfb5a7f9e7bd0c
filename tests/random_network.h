// A small network of random weights, for programs without Python.
#ifndef SPLEETERRT_RANDOM_NETWORK_H
#define SPLEETERRT_RANDOM_NETWORK_H

#include "aligned.h"
#include "network/network.h"
#include "network/network_set.h"

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace spleeterrt {

struct RandomNetwork {
    NetworkConfig config;
    Plan plan;
    std::vector<AlignedFloats> arenas;
    std::vector<const float *> weights;

    static NetworkConfig small_config()
    {
        NetworkConfig config;
        const int filters[DEPTH] = {4, 8, 8, 16, 16, 32};
        std::copy(filters, filters + DEPTH, config.conv_n_filters);
        return config;
    }

    // alike: all stems have the same network, whose masks are near 1; else their own, with weights of both signs.
    RandomNetwork(const char *isa, std::mt19937 &random, std::size_t stems, bool alike = true)
        : RandomNetwork(small_config(), make_plan(small_config(), fast_kernels_for(isa), false), random, stems, alike)
    {
    }
    RandomNetwork(const NetworkConfig &of, const Plan &by, std::mt19937 &random, std::size_t stems, bool alike)
        : config(of), plan(by)
    {
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
        networks.use(table);
        networks.weights = weights.data();
        return networks;
    }

private:
    static constexpr float step = 0.002f; // of int8

    // float16, toward zero; of small numbers their sign.
    static std::uint16_t half(float x)
    {
        const int sign = x < 0 ? 0x8000 : 0, exponent = x == 0 ? -15 : std::ilogb(x);
        if (exponent < -14)
            return static_cast<std::uint16_t>(sign);
        const int fraction = static_cast<int>((std::ldexp(std::fabs(x), -exponent) - 1) * 1024);
        return static_cast<std::uint16_t>(sign | (exponent + 15) << 10 | fraction);
    }

    void add(std::mt19937 &random, bool positive)
    {
        const WeightLayout layout = weight_layout(config, plan);
        arenas.emplace_back(static_cast<std::size_t>(layout.size));
        std::normal_distribution<float> normal(0, 0.1f);
        for (int layer = 0; layer < LAYERS; layer++) {
            std::vector<std::vector<float>> tensors;
            std::vector<std::uint16_t> halves;
            std::vector<std::int8_t> steps;
            const int type = plan.types.layers[layer];
            LayerTensors places;
            for (const TensorSpec &spec : layer_tensors(config, layer)) {
                tensors.emplace_back(static_cast<std::size_t>(spec.count()));
                float size = 2.0f;
                if (spec.place == &LayerTensors::kernel) // so that signals keep their size, and rounding errors theirs
                    size =
                        15.0f / std::sqrt(static_cast<float>(spec.count() / layer_channels(config, layer, false).out));
                for (float &x : tensors.back())
                    x = positive || spec.place == &LayerTensors::variance ? std::fabs(normal(random)) + 0.01f
                                                                          : size * normal(random);
                places.*spec.place = tensors.back().data();
                if (spec.place != &LayerTensors::kernel || type == WEIGHTS_FLOAT32)
                    continue;
                for (const float x : tensors.back()) {
                    halves.push_back(half(x));
                    steps.push_back(static_cast<std::int8_t>(std::lrint(std::fmax(-127, std::fmin(x / step, 127)))));
                }
                places.small_kernel = type == WEIGHTS_FLOAT16 ? static_cast<const void *>(halves.data()) : steps.data();
            }
            const std::vector<float> scales(static_cast<std::size_t>(layer_channels(config, layer, false).out), step);
            places.scales = scales.data();
            pack_layer(config, plan, layout, layer, places, arenas.back().data());
        }
    }
};

} // namespace spleeterrt

#endif
