// Floats of a stream. They are touched when they are taken, not in the audio callback.
#ifndef SPLEETERRT_STREAM_MEMORY_H
#define SPLEETERRT_STREAM_MEMORY_H

#include "aligned.h"

#include <cstddef>
#include <cstring>
#include <vector>

namespace spleeterrt {

constexpr std::size_t stream_channels = 2; // interleaved

// All zeros. Throws std::bad_alloc.
inline AlignedFloats touched_floats(std::size_t count)
{
    AlignedFloats floats(count);
    std::memset(floats.data(), 0, count * sizeof(float));
    return floats;
}

// Blocks that live as long as their owner.
class FloatBlocks {
public:
    float *take(std::size_t count)
    {
        blocks_.push_back(touched_floats(count));
        return blocks_.back().data();
    }

private:
    std::vector<AlignedFloats> blocks_;
};

} // namespace spleeterrt

#endif
