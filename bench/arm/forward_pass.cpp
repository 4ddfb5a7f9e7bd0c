// One forward pass of a network of Spleeter's size with random weights, by the static library's parts:
//
//     forward_pass FRAMES BINS [ISA [FILE]]
//
// Prints the set, a hash of the output's bits and its mean; FILE gets the output as float32. What lies between
// `count_begins` and `count_ends` is the pass alone, without loading (bench/arm_instructions.py counts it).
#include "aligned.h"
#include "network/network.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace spleeterrt;

extern "C" __attribute__((noinline)) void count_begins() { __asm__ volatile(""); }
extern "C" __attribute__((noinline)) void count_ends() { __asm__ volatile(""); }

namespace {

// Cheap numbers, the same everywhere: -1 ... 1.
float number()
{
    static std::uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return static_cast<float>(static_cast<std::int32_t>(state)) / 2147483648.0f;
}

AlignedFloats random_weights(const NetworkConfig &config, const Plan &plan)
{
    const WeightLayout layout = weight_layout(config, plan);
    AlignedFloats arena(static_cast<std::size_t>(layout.size));
    for (int layer = 0; layer < LAYERS; layer++) {
        std::vector<std::vector<float>> tensors;
        LayerTensors places;
        for (const TensorSpec &spec : layer_tensors(config, layer)) {
            tensors.emplace_back(static_cast<std::size_t>(spec.count()));
            for (float &x : tensors.back()) {
                x = spec.place == &LayerTensors::kernel ? 0.02f * number() : number();
                if (spec.place == &LayerTensors::variance)
                    x = x * x + 0.1f;
            }
            places.*spec.place = tensors.back().data();
        }
        pack_layer(config, plan, layout, layer, places, arena.data());
    }
    return arena;
}

} // namespace

int main(int count, char **arguments)
{
    if (count < 3)
        return 2;
    const long long frames = std::atoll(arguments[1]), bins = std::atoll(arguments[2]);
    const NetworkConfig config;
    std::string error;
    const fast_kernels *kernels;
    if (!choose_kernels(count > 3 ? arguments[3] : nullptr, kernels, error) || !kernels) {
        std::fprintf(stderr, "%s\n", error.c_str());
        return 1;
    }
    const Plan plan = plan_at(config, make_plan(config, kernels, false), frames, bins);
    const AlignedFloats weights = random_weights(config, plan);
    const LayerTable table = lower(config, plan, frames, bins);
    AlignedFloats workspace(static_cast<std::size_t>(table.workspace_floats));
    std::vector<float> input(static_cast<std::size_t>(frames * bins * config.n_channels)), output(input.size());
    for (float &x : input) {
        x = number();
        x *= x;
    }
    network_task task = {};
    task.kernels = kernels;
    task.layers = table.rows.data();
    task.n_layers = static_cast<std::ptrdiff_t>(table.rows.size());
    task.weights = weights.data();
    task.workspace = workspace.data();
    task.input = input.data();
    task.output = output.data();
    count_begins();
    run_network(&task, nullptr);
    count_ends();

    std::uint64_t hash = 1469598103934665603u;
    double sum = 0;
    for (float x : output) {
        std::uint32_t bits;
        std::memcpy(&bits, &x, sizeof bits);
        hash = (hash ^ bits) * 1099511628211u;
        sum += static_cast<double>(x);
    }
    std::printf("%s %lldx%lld %016llx %.9g\n", kernels->name, frames, bins, static_cast<unsigned long long>(hash),
                sum / static_cast<double>(output.size()));
    if (count > 4) {
        std::FILE *file = std::fopen(arguments[4], "wb");
        if (!file || std::fwrite(output.data(), sizeof(float), output.size(), file) != output.size())
            return 1;
        std::fclose(file);
    }
    return 0;
}
