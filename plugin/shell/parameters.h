// The parameters of a plugin: what hosts list, automate and store. The same list for every format.
#ifndef SPLEETERRT_PLUGIN_PARAMETERS_H
#define SPLEETERRT_PLUGIN_PARAMETERS_H

#include "shell/product.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace spleeterrt::plugin {

enum class Kind { bypass, mode, late, gain, mute, solo };
enum Mode { short_mode, middle_mode, long_mode, n_modes };

constexpr double least_gain = -60; // dB: silence
constexpr double most_gain = 12;

struct Parameter {
    std::uint32_t id; // in projects: never changes, whatever is added
    Kind kind;
    int stem;           // of gain, mute and solo; else -1
    std::string name;   // "Vocals gain"
    std::string symbol; // "vocals_gain": of LV2 and in saved states; never changes
    std::string group;  // "Vocals"; "": of the whole plugin
    std::string unit;   // "dB" or ""
    double least, most, usual;
    std::vector<std::string> choices; // of whole numbers from 0 on; empty: a number

    bool stepped() const { return !choices.empty(); }
    bool is_switch() const { return kind == Kind::bypass || kind == Kind::mute || kind == Kind::solo; }
    // Into the range, and to a whole number where it is stepped. What is no number becomes the usual value.
    double legal(double value) const;
};

// All can be automated. They are addressed by their index in `all`, hosts' identifiers are translated by `index_of`.
class Parameters {
public:
    explicit Parameters(const Product &product);

    const std::vector<Parameter> &all() const { return all_; }
    std::size_t size() const { return all_.size(); }
    const Parameter &operator[](std::size_t index) const { return all_[index]; }

    static constexpr std::size_t none = ~std::size_t{0};
    std::size_t index_of(std::uint32_t id) const;          // none: unknown
    std::size_t index_of(const std::string &symbol) const; // likewise
    std::size_t index_of(Kind kind, int stem = -1) const;

    // "-6.0 dB", "-inf dB", "Muted", "Middle". Back: with or without unit, in any case, with a decimal comma
    // too; false: it means nothing.
    std::string text(std::size_t index, double value) const;
    bool value(std::size_t index, const std::string &text, double &value) const;

private:
    std::vector<Parameter> all_;
};

// Numbers as text, whatever the locale that the host has set.
std::string number_text(double value, int decimals);
bool text_number(const std::string &text, double &value); // the number that the text begins with

} // namespace spleeterrt::plugin

#endif
