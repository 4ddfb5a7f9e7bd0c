#include "sound/modes.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

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

std::vector<std::string> model_stems(const Names &held, const std::string &mode, const Names &wanted)
{
    const Names pair = {"vocals", "accompaniment"};
    if (place_of(pair[0], held) < 0 || place_of(pair[1], held) < 0 || place_of("other", held) < 0)
        return held;
    const bool is_pair = mode == "residual" || (mode != "three" && place_of(pair[1], wanted) >= 0);
    Names stems;
    for (const std::string &name : held)
        if (is_pair ? place_of(name, pair) >= 0 : name != pair[1])
            stems.push_back(name);
    return stems;
}

namespace {

// A stem, and the mix minus it.
std::string plan_pair(const ModeOptions &options, const Names &instruments, bool softmax, ModePlan &plan)
{
    const std::string &stem = *options.two_stems;
    const Names pair = {stem, "no_" + stem};
    if (place_of(stem, instruments) < 0)
        return "two_stems: expected one of " + listed(instruments) + ", got '" + stem + "'";
    if (options.mode != "ratio" && options.mode != "direct")
        return "two_stems: goes with the modes ratio and direct; " + options.mode + " has stems of its own";
    for (const std::string &name : options.wanted)
        if (place_of(name, pair) < 0)
            return "stems: with two_stems expected some of " + listed(pair) + ", got '" + name + "'";
    ModeOptions alone = options;
    alone.two_stems.reset();
    alone.wanted = {stem};
    alone.residual = false;
    const std::string problem = plan_mode(alone, instruments, softmax, plan);
    plan.stems = pair;
    plan.rest = 1;
    return problem;
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
    if (options.two_stems)
        return plan_pair(options, instruments, softmax, plan);
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

    if (options.full_band && !(options.above < 0))
        return "above_band: full_band extends the masks themselves; use one or the other";
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

    for (const std::string &name : stems) // the rest needs all others; in real time their masks are enough
        if (wanted(name) || (!rest.empty() && !options.live))
            plan.stems.push_back(name);
    plan.rest = rest.empty() ? -1 : place_of(rest, plan.stems);
    for (const std::string &name : networks) {
        const std::ptrdiff_t stem = name == rest ? -1 : place_of(name, plan.stems);
        const bool alone =
            plan.cascade ? name == networks.back() : mode == "direct" && !softmax && instruments.size() > 1;
        if (stem < 0 && alone && (rest.empty() || name == rest))
            continue; // neither a stem nor another network needs this one
        plan.networks.push_back(static_cast<std::size_t>(place_of(name, instruments)));
        plan.made.push_back(stem);
    }
    plan.cascade = plan.cascade && plan.networks.size() > 1;
    return "";
}

std::string plan_file(const ModeOptions &options, const Names &held, bool softmax, ModePlan &plan)
{
    const Names stems = model_stems(held, options.mode, options.two_stems ? Names{*options.two_stems} : options.wanted);
    const std::string problem = plan_mode(options, stems, softmax, plan);
    for (std::size_t &network : plan.networks)
        network = static_cast<std::size_t>(place_of(stems[network], held));
    return problem;
}

std::vector<std::string> names_of(const char *list)
{
    std::vector<std::string> names;
    for (const char *at = list; at && *at;) {
        const std::size_t length = std::strcspn(at, ",");
        std::string name(at, length);
        name.erase(0, name.find_first_not_of(" \t"));
        name.erase(name.find_last_not_of(" \t") + 1);
        if (!name.empty())
            names.push_back(name);
        at += length + (at[length] != '\0');
    }
    return names;
}

} // namespace spleeterrt
