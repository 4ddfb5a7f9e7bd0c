// What the offline engine is to do with a model file: for C, the browser and whoever else has one.
#ifndef SPLEETERRT_OFFLINE_MODEL_PLAN_H
#define SPLEETERRT_OFFLINE_MODEL_PLAN_H

#include "network/model_config.h"
#include "offline/separation.h"

namespace spleeterrt {

constexpr std::size_t short_frames = 256; // T of short segments

// The mode's plan, and which of its stems come out: more are made where the rest needs them. wiener: for the filter.
// Why there is no plan, or "".
std::string plan_separation(const ModeOptions &options, bool wiener, const ModelFileConfig &config, ModePlan &mode,
                            std::vector<std::size_t> &stems);

// Of the model and the plan. How much is done at a time (segments, piece_frames) is the caller's choice.
SeparationOptions separation_options(const ModelFileConfig &config, const ModePlan &mode, bool full_band, bool wiener,
                                     const char *isa);

} // namespace spleeterrt

#endif
