// The options of a stream in C: spleeterrt.h's structure and the list of options, field by field.
#include "c/options.h"

#include "c/common.h"

#include <cstddef>

namespace spleeterrt {
namespace {

// What the list makes of the structure: the same fields, in the same order, of the same types.
#define SRT_FIELD(kind, name, ...) OptionTypes<OptionKind::kind>::asked name;
struct Listed {
    std::size_t size;
    SRT_STREAM_OPTIONS(SRT_FIELD, SRT_FIELD, SRT_FIELD, SRT_FIELD)
};
#undef SRT_FIELD
#define SRT_SAME(kind, name, ...)                                          \
    static_assert(offsetof(srt_options, name) == offsetof(Listed, name) && \
                      sizeof(srt_options::name) == sizeof(Listed::name),   \
                  "srt_options in spleeterrt.h needs the field " #name ", at its place in option_list.h");
SRT_STREAM_OPTIONS(SRT_SAME, SRT_SAME, SRT_SAME, SRT_SAME)
#undef SRT_SAME
static_assert(sizeof(srt_options) == sizeof(Listed), "srt_options has a field that option_list.h lacks");
SRT_CHECK_END(srt_options, caller_runs);

srt_options usual_options()
{
    srt_options options = {};
#define SRT_DEFAULT(kind, name, usual, ...) options.name = usual;
    SRT_STREAM_OPTIONS(SRT_DEFAULT, SRT_DEFAULT, SRT_DEFAULT, SRT_DEFAULT)
#undef SRT_DEFAULT
    return options;
}

} // namespace

bool take_request(const srt_options *options, StreamRequest &request, std::string &problem)
{
    srt_options wanted = usual_options();
    if (!take_over(options, offsetof(srt_options, isa) + sizeof wanted.isa, wanted)) {
        problem = "options: begin with srt_default_options() of this version of the library or an earlier one";
        return false;
    }
#define SRT_TAKE(kind, name, ...) request.name = wanted.name;
    SRT_STREAM_OPTIONS(SRT_TAKE, SRT_TAKE, SRT_TAKE, SRT_TAKE)
#undef SRT_TAKE
    return true;
}

} // namespace spleeterrt

extern "C" void srt_init_options(srt_options *options, size_t size)
{
    spleeterrt::give_defaults(spleeterrt::usual_options(), options, size);
}
