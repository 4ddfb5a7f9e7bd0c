#include "bytes.h"

#include <algorithm>

namespace spleeterrt::plugin::vst3 {
namespace {

constexpr size_t longest = size_t{1} << 20; // a state is some hundred bytes

} // namespace

bool read_all(v3_bstream **stream, std::string &bytes)
{
    bytes.clear();
    char part[1024];
    while (bytes.size() <= longest) {
        int32_t count = 0;
        const v3_result result = v3_cpp_obj(stream)->read(stream, part, sizeof(part), &count);
        if (count <= 0 || count > static_cast<int32_t>(sizeof(part)))
            return count == 0 && (result == V3_OK || !bytes.empty()); // some hosts call the end a failure
        bytes.append(part, static_cast<size_t>(count));
    }
    return false;
}

bool write_all(v3_bstream **stream, const std::string &bytes)
{
    std::string copy = bytes; // the interface takes no constant bytes
    for (size_t at = 0; at < copy.size();) {
        int32_t count = 0;
        const auto left = static_cast<int32_t>(std::min<size_t>(copy.size() - at, INT32_MAX));
        if (v3_cpp_obj(stream)->write(stream, copy.data() + at, left, &count) != V3_OK || count <= 0 || count > left)
            return false;
        at += static_cast<size_t>(count);
    }
    return true;
}

} // namespace spleeterrt::plugin::vst3
