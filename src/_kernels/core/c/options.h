// The options of a stream in C.
#ifndef SPLEETERRT_C_OPTIONS_H
#define SPLEETERRT_C_OPTIONS_H

#include "c/spleeterrt.h"
#include "stream/request.h"

#include <string>

namespace spleeterrt {

// The caller's options, or the defaults for null. False, and why not: not of this version or an earlier one.
bool take_request(const srt_options *options, StreamRequest &request, std::string &problem);

} // namespace spleeterrt

#endif
