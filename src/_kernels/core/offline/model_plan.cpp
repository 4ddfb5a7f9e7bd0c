#include "offline/model_plan.h"

#include <algorithm>

namespace spleeterrt {

std::string plan_separation(const ModeOptions &options, bool wiener, const ModelFileConfig &config, ModePlan &mode,
                            std::vector<std::size_t> &stems)
{
    if (wiener && options.mode != "ratio")
        return "wiener: the filter needs all networks' estimates: mode ratio, not " + options.mode;
    const std::string problem = plan_file(options, config.instruments, config.softmax, mode);
    const std::vector<std::string> &wanted = options.wanted;
    stems.clear();
    for (std::size_t stem = 0; stem < mode.stems.size(); stem++)
        if (wanted.empty() || std::find(wanted.begin(), wanted.end(), mode.stems[stem]) != wanted.end())
            stems.push_back(stem);
    return problem;
}

SeparationOptions separation_options(const ModelFileConfig &config, const ModePlan &mode, bool full_band, bool wiener,
                                     const char *isa)
{
    SeparationOptions options;
    options.frame_length = static_cast<std::size_t>(config.frame_length);
    options.frame_step = static_cast<std::size_t>(config.frame_step);
    options.fft_length = static_cast<std::size_t>(config.fft_length());
    options.frames = static_cast<std::size_t>(config.T);
    options.bins = static_cast<std::size_t>(config.F);
    options.exponent = static_cast<float>(config.separation_exponent);
    options.average = full_band || (mode.ratio && config.mask_extension == ModelFileConfig::MaskExtension::average);
    options.wiener = wiener;
    options.isa = isa;
    return options;
}

} // namespace spleeterrt
