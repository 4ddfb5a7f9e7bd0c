// A host's stream of bytes, which may give and take them in parts of any size.
#ifndef SPLEETERRT_PLUGIN_VST3_BYTES_H
#define SPLEETERRT_PLUGIN_VST3_BYTES_H

#include "com.h"

#include <travesty/bstream.h>

namespace spleeterrt::plugin::vst3 {

// From where the stream stands to its end; false: the stream failed, or it does not end.
bool read_all(v3_bstream **stream, std::string &bytes);
bool write_all(v3_bstream **stream, const std::string &bytes);

} // namespace spleeterrt::plugin::vst3

#endif
