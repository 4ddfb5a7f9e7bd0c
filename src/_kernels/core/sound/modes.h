// Modes: which networks run, on what, and which stems become of them. docs/modes.md has the definitions.
//
//     ratio     all networks on the mix; masks by the ratio of their estimates (Spleeter)
//     direct    networks on the mix; each one's own mask (sigmoid, or softmax across stems)
//     residual  of two stems one by its own mask, the other is the mix minus it
//     three     drums by their own mask; vocals from what they leave; the rest is accompaniment
#ifndef SPLEETERRT_MODES_H
#define SPLEETERRT_MODES_H

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace spleeterrt {

struct ModePlan {
    std::vector<std::string> stems;    // that are made, in order
    std::vector<std::size_t> networks; // that run, in order: indices into the model's instruments
    std::vector<std::ptrdiff_t> made;  // the stem of each of them; -1: none
    std::ptrdiff_t rest = -1;          // the stem that is the mix minus those of all networks; -1: none
    bool ratio = true;                 // the ratio of the estimates, or else the networks' own masks
    bool cascade = false;              // one network after the other, each on what the ones before leave
    float above = 0;                   // own masks: the weight of bins above F
    float share = 0;                   // own masks where the mix is silent; the stems of silence are alike
};

constexpr float offline_above = 0.1f;

struct ModeOptions {
    std::string mode = "ratio";
    std::vector<std::string> wanted;      // stems; none: all. residual: the network of the first one runs
    bool residual = false;                // ratio, direct: the last instrument becomes the mix minus the others
    double above = -1;                    // negative: offline_above, or live: one over the number of stems
    bool full_band = false;               // masks are extended above F, so that there is no such weight
    std::optional<std::string> two_stems; // ratio, direct: this stem, and the mix minus it, named no_ and its name
    bool live = false;                    // the stems that are made are those that come out
};

extern const std::vector<std::string> mode_names;

// The stems that make one model, of those that a file holds networks of. Where `accompaniment` (all that is not vocals)
// and `other` (all that has no network of its own) are both there, a ratio of all would count the same sound twice:
// such a file holds two models, the one without `accompaniment`, and vocals with it. The latter is meant where
// `accompaniment` is wanted or the mode needs two stems.
std::vector<std::string> model_stems(const std::vector<std::string> &held, const std::string &mode = "ratio",
                                     const std::vector<std::string> &wanted = {});

// The plan for a model, or why there is none (else ""). Names in `wanted` are checked here.
std::string plan_mode(const ModeOptions &options, const std::vector<std::string> &instruments, bool softmax,
                      ModePlan &plan);

// The same for the model that is meant of those in a file (`model_stems`): the plan's networks are places in `held`.
std::string plan_file(const ModeOptions &options, const std::vector<std::string> &held, bool softmax, ModePlan &plan);

// The names between commas.
std::vector<std::string> names_of(const char *list);

} // namespace spleeterrt

#endif
