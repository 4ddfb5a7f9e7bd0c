// Messages, codes and lists in words; see spleeterrt.h.
#include "c/common.h"

#include <cstdio>

namespace spleeterrt {

void tell(char *message, const char *text, const char *more)
{
    if (message)
        std::snprintf(message, SRT_MESSAGE_SIZE, "%s%s", text, more);
}

} // namespace spleeterrt

extern "C" {

const char *srt_code_text(int code)
{
    switch (code) {
    case SRT_OK: return "done";
    case SRT_BAD_ARGUMENT: return "an argument is missing or out of its range";
    case SRT_BAD_BLOCK: return "a block of another size than promised";
    case SRT_BAD_OPTIONS: return "options that make no sense";
    case SRT_BAD_MODEL: return "the model is missing, damaged, or not a model";
    case SRT_NO_MEMORY: return "not enough memory, or not one thread to be had";
    case SRT_FAILED: return "failed";
    case SRT_BAD_SAMPLE: return "a sample that is not a finite number or far beyond full scale";
    default: return "unknown code";
    }
}

const char *srt_version(void) { return SRT_VERSION; }

} // extern "C"
