#include "stream/request.h"

#include <cmath>
#include <cstdio>

namespace spleeterrt {
namespace {

std::string number(double value)
{
    char text[32];
    std::snprintf(text, sizeof text, "%.15g", value);
    return text;
}

// Texts are no numbers.
double value_of(const char *) { return 0; }
template <typename T> double value_of(T value) { return static_cast<double>(value); }
void put(const char *&, double) {}
template <typename T> void put(T &field, double value) { field = static_cast<T>(value); }

bool is_integer(OptionKind kind)
{
    return kind != OptionKind::seconds && kind != OptionKind::share && kind != OptionKind::text;
}

} // namespace

const std::vector<StreamOption> &stream_option_list()
{
#define SRT_ROW(native, kind, name, usual, least, most, unit, what)       \
    {OptionKind::kind,                                                    \
     #name,                                                               \
     #kind,                                                               \
     native,                                                              \
     least,                                                               \
     most,                                                                \
     unit,                                                                \
     what,                                                                \
     [](const StreamRequest &request) { return value_of(request.name); }, \
     [](StreamRequest &request, double value) { put(request.name, value); }},
#define SRT_OF_ALL(...) SRT_ROW(false, __VA_ARGS__)
#define SRT_OF_C(...) SRT_ROW(true, __VA_ARGS__)
    static const std::vector<StreamOption> list = {SRT_STREAM_OPTIONS(SRT_OF_ALL, SRT_OF_ALL, SRT_OF_C, SRT_OF_C)};
#undef SRT_OF_C
#undef SRT_OF_ALL
#undef SRT_ROW
    return list;
}

bool names_nothing(OptionKind kind, double value)
{
    switch (kind) {
    case OptionKind::optional: return value == 0;
    case OptionKind::stem:
    case OptionKind::share: return value < 0;
    case OptionKind::flag:
    case OptionKind::text: return true; // nothing to check
    default: return false;
    }
}

std::string check_request(const StreamRequest &request)
{
    for (const StreamOption &option : stream_option_list()) {
        const double value = option.get(request);
        const std::string name = std::string(option.name) + ": expected ";
        if (names_nothing(option.kind, value))
            continue;
        if (is_integer(option.kind) && value < option.least)
            return name + "an integer of at least " + number(option.least) + ", got " + number(value);
        // The mode limits shares, and others limit sizes.
        if (option.kind != OptionKind::share && option.kind != OptionKind::size &&
            !(value >= option.least && value <= option.most))
            return name + number(option.least) + " to " + number(option.most) + ", got " + number(value);
    }
    return "";
}

} // namespace spleeterrt
