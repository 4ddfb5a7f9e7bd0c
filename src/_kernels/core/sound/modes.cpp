#include "sound/modes.h"

#include <algorithm>
#include <cstdio>

namespace spleeterrt {

const std::vector<std::string> mode_names = {"ratio", "direct", "residual", "three"};

namespace {

using Names = std::vector<std::string>;

std::ptrdiff_t place_of(const std::string &name, const Names &names)
{
    const auto found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? -1 : found - names.begin();
}

std::string listed(const Names &names)
{
    std::string text;
    for (const std::string &name : names)
        text += (text.empty() ? "" : ", ") + name;
    return text;
}

std::string number(double value)
{
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    return text;
}

} // namespace

std::string plan_mode(const ModeOptions &options, const Names &instruments, bool softmax, ModePlan &plan)
{
    const std::string &mode = options.mode;
    const std::string model = "the model has " + listed(instruments);
    plan = ModePlan();
    Names stems = instruments, networks = instruments; // all that the mode can make; of which networks
    std::string rest;
    if (place_of(mode, mode_names) < 0)
        return "mode: expected one of " + listed(mode_names) + ", got '" + mode + "'";
    if ((mode == "residual" || mode == "three") && softmax)
        return "mode " + mode +
               ": the masks of this model are made of all networks together (softmax), so none can "
               "run alone; use ratio or direct";
    if (mode == "residual" && instruments.size() != 2)
        return "mode residual: expected a model of two stems, " + model;
    if (mode == "three") {
        if (place_of("drums", instruments) < 0 || place_of("vocals", instruments) < 0)
            return "mode three: expected a model with drums and vocals, " + model;
        stems = {"vocals", "drums", "accompaniment"};
        networks = {"drums", "vocals"};
        rest = "accompaniment";
    }
    for (const std::string &name : options.wanted)
        if (place_of(name, stems) < 0)
            return "stems: expected some of " + listed(stems) + ", got '" + name + "'";
    if (options.live && !options.wanted.empty() && (mode == "ratio" || mode == "three"))
        return "stems: in real time the mode " + mode + " makes all its stems; leave out those that you do not need";
    const auto wanted = [&](const std::string &name) {
        return options.wanted.empty() || place_of(name, options.wanted) >= 0;
    };
    if (mode == "residual") {
        networks = {options.wanted.empty() ? instruments[0] : options.wanted[0]};
        rest = instruments[networks[0] == instruments[0] ? 1 : 0];
    } else if (mode != "three" && options.residual) {
        rest = instruments.back();
    }
    if (!rest.empty() && !wanted(rest))
        rest.clear();

    const double most = mode == "three" ? 0.5 : 1.0;
    if (options.above >= 0 && mode == "ratio")
        return "above_band: ratio masks have no weight of their own above the networks' band; full_band extends them";
    if (!(options.above <= most))
        return "above_band: expected 0 to " + number(most) + ", got " + number(options.above);
    plan.share = 1.0f / static_cast<float>(stems.size());
    plan.ratio = mode == "ratio";
    plan.cascade = mode == "three";
    if (!plan.ratio)
        plan.above = options.above >= 0 ? static_cast<float>(options.above) : options.live ? plan.share : offline_above;

    for (const std::string &name : stems) // the rest needs all others
        if (wanted(name) || !rest.empty())
            plan.stems.push_back(name);
    plan.rest = rest.empty() ? -1 : place_of(rest, plan.stems);
    for (const std::string &name : networks) {
        const std::ptrdiff_t stem = name == rest ? -1 : place_of(name, plan.stems);
        const bool alone =
            plan.cascade ? name == networks.back() : mode == "direct" && !softmax && instruments.size() > 1;
        if (stem < 0 && alone)
            continue; // neither a stem nor another network needs this one
        plan.networks.push_back(static_cast<std::size_t>(place_of(name, instruments)));
        plan.made.push_back(stem);
    }
    return "";
}

} // namespace spleeterrt
