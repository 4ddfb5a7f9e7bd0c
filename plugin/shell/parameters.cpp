#include "shell/parameters.h"

#include <algorithm>
#include <cmath>
#include <locale>
#include <sstream>

namespace spleeterrt::plugin {
namespace {

// Room for what may be added to the plugin and to each stem.
constexpr std::uint32_t first_stem_id = 32, ids_per_stem = 16;

std::string lower(std::string text)
{
    for (char &c : text)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return text;
}

// A number as people write it: with a decimal comma, with the minus sign that the editor shows.
std::string plain_number(std::string text)
{
    const std::string minus = "\u2212";
    if (text.compare(0, minus.size(), minus) == 0)
        text.replace(0, minus.size(), "-");
    std::replace(text.begin(), text.end(), ',', '.');
    return text;
}

std::string trimmed(const std::string &text)
{
    const std::size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
    return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

Parameter switch_of(std::uint32_t id, Kind kind, const char *name, const char *symbol)
{
    return {id, kind, -1, name, symbol, "", "", 0, 1, 0, {"Off", "On"}};
}

} // namespace

double Parameter::legal(double value) const
{
    if (!std::isfinite(value))
        return usual;
    value = std::min(std::max(value, least), most);
    return stepped() ? std::round(value) : value;
}

Parameters::Parameters(const Product &product)
{
    all_.push_back(switch_of(0, Kind::bypass, "Bypass", "bypass"));
    all_.push_back({1,
                    Kind::mode,
                    -1,
                    "Latency mode",
                    "latency_mode",
                    "",
                    "",
                    0,
                    n_modes - 1,
                    middle_mode,
                    {"Short", "Middle", "Long"}});
    std::vector<std::string> labels(product.stem_labels, product.stem_labels + product.stems);
    const double last = product.stems - 1;
    all_.push_back({2, Kind::late, -1, "Heard when late", "heard_when_late", "", "", 0, last, last, labels});
    for (int s = 0; s < product.stems; s++) {
        const std::string label = labels[static_cast<std::size_t>(s)], name = product.stem_names[s];
        const std::uint32_t id = first_stem_id + ids_per_stem * static_cast<std::uint32_t>(s);
        all_.push_back({id, Kind::gain, s, label + " gain", name + "_gain", label, "dB", least_gain, most_gain, 0, {}});
        all_.push_back({id + 1, Kind::mute, s, label + " mute", name + "_mute", label, "", 0, 1, 0, {"Off", "On"}});
        all_.push_back({id + 2, Kind::solo, s, label + " solo", name + "_solo", label, "", 0, 1, 0, {"Off", "On"}});
    }
}

std::size_t Parameters::index_of(std::uint32_t id) const
{
    for (std::size_t i = 0; i < all_.size(); i++)
        if (all_[i].id == id)
            return i;
    return none;
}

std::size_t Parameters::index_of(const std::string &symbol) const
{
    for (std::size_t i = 0; i < all_.size(); i++)
        if (all_[i].symbol == symbol)
            return i;
    return none;
}

std::size_t Parameters::index_of(Kind kind, int stem) const
{
    for (std::size_t i = 0; i < all_.size(); i++)
        if (all_[i].kind == kind && all_[i].stem == stem)
            return i;
    return none;
}

std::string Parameters::text(std::size_t index, double value) const
{
    const Parameter &p = all_[index];
    value = p.legal(value);
    if (p.stepped())
        return p.choices[static_cast<std::size_t>(value)];
    return (value <= least_gain ? "-inf" : number_text(value, 1)) + " " + p.unit;
}

bool Parameters::value(std::size_t index, const std::string &text, double &value) const
{
    const Parameter &p = all_[index];
    const std::string wanted = lower(trimmed(text));
    for (std::size_t i = 0; i < p.choices.size(); i++)
        if (lower(p.choices[i]) == wanted) {
            value = static_cast<double>(i);
            return true;
        }
    double number = 0;
    const std::string written = plain_number(wanted);
    if (p.kind == Kind::gain && (written.compare(0, 4, "-inf") == 0 || written.compare(0, 4, "-\u221e") == 0))
        number = least_gain;
    else if (!text_number(written, number))
        return false;
    value = p.legal(number);
    return true;
}

std::string number_text(double value, int decimals)
{
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out.setf(std::ios::fixed);
    out.precision(decimals);
    out << value;
    const std::string text = out.str();
    const bool zero = text.find_first_of("123456789") == std::string::npos;
    return zero && text[0] == '-' ? text.substr(1) : text;
}

bool text_number(const std::string &text, double &value)
{
    std::istringstream in(text);
    in.imbue(std::locale::classic());
    double number = 0;
    if (!(in >> number) || !std::isfinite(number))
        return false;
    value = number;
    return true;
}

} // namespace spleeterrt::plugin
