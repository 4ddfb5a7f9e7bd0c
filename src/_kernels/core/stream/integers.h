// Division of signed integers that rounds down, or up.
#ifndef SPLEETERRT_STREAM_INTEGERS_H
#define SPLEETERRT_STREAM_INTEGERS_H

#include <cstdint>

namespace spleeterrt {

// b > 0
inline std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return -floor_div(-a, b); }

} // namespace spleeterrt

#endif
