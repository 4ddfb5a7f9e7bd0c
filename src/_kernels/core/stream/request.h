// What is asked of a stream, before defaults and limits: the options of option_list.h as they come from C or Python.
#ifndef SPLEETERRT_STREAM_REQUEST_H
#define SPLEETERRT_STREAM_REQUEST_H

#include "stream/option_list.h"

#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace spleeterrt {

enum class OptionKind { size, optional, count, level, rate, flag, pace, stem, seconds, share, text };

// The types of an option: as it is asked for, and in the engine.
template <OptionKind kind> struct OptionTypes {
    using asked = int;
    using engine = std::size_t;
};
template <> struct OptionTypes<OptionKind::level> {
    using asked = int;
    using engine = int;
};
template <> struct OptionTypes<OptionKind::pace> : OptionTypes<OptionKind::level> {};
template <> struct OptionTypes<OptionKind::rate> {
    using asked = int;
    using engine = unsigned;
};
template <> struct OptionTypes<OptionKind::flag> {
    using asked = int;
    using engine = bool;
};
template <> struct OptionTypes<OptionKind::seconds> {
    using asked = double;
    using engine = double;
};
template <> struct OptionTypes<OptionKind::share> : OptionTypes<OptionKind::seconds> {};
template <> struct OptionTypes<OptionKind::text> {
    using asked = const char *;
    using engine = const char *;
};

constexpr double unlimited = std::numeric_limits<double>::infinity();
constexpr int most_block = 1 << 16; // samples: windows wait in memory until their masks are due

#define SRT_ASKED(kind, name, usual, ...) OptionTypes<OptionKind::kind>::asked name = usual;
struct StreamRequest {
    SRT_STREAM_OPTIONS(SRT_ASKED, SRT_ASKED, SRT_ASKED, SRT_ASKED)
};
#undef SRT_ASKED

// A line of the list, for programs that go by names.
struct StreamOption {
    OptionKind kind;
    const char *name, *kind_name;
    bool native; // for programs in C alone
    double least, most;
    const char *unit, *what;
    // Not of texts: the value as a number.
    double (*get)(const StreamRequest &);
    void (*set)(StreamRequest &, double);
};

const std::vector<StreamOption> &stream_option_list();

// Whether a value stands for "none was named".
bool names_nothing(OptionKind kind, double value);

// Why a request makes no sense whatever the model, or "".
std::string check_request(const StreamRequest &request);

} // namespace spleeterrt

#endif
