// Windows of the real-time engine.
#ifndef SPLEETERRT_STREAM_WINDOWS_H
#define SPLEETERRT_STREAM_WINDOWS_H

#include <cstddef>
#include <vector>

namespace spleeterrt {

// All [frame_length].
struct Windows {
    std::vector<float> heard;               // of what the networks see: always Spleeter's periodic Hann
    std::vector<float> analysis, synthesis; // of what is masked and heard
};

// synthesis: samples at the end of the frame that are synthesised, 5/4 hop <= synthesis <= frame_length; all of
// the frame: Spleeter's windows. Shifts of analysis * synthesis by the hop add up to 1.
Windows stream_windows(std::size_t frame_length, std::size_t hop, std::size_t synthesis);

} // namespace spleeterrt

#endif
