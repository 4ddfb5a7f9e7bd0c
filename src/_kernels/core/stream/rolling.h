// Encoders that roll along: two windows of a stream share most of their frames, and so most rows of the first layers.
//
// Row r of layer k (from 1, e1) of the window that begins at frame s stands for the frames around s + r 2^k. Where it
// depends neither on the zeros before the window nor on those behind it (an inner row), it is the same row as that of
// another window whose beginning is a multiple of 2^k frames away. So of each layer and each beginning modulo 2^k the
// inner rows are kept, normed and activated as the next layer reads them, and a window computes its first row, its last
// ones and what is new:
//
//     window at s          0 | 1 2 3 ... c - 1      | c ... H - 1
//                    computed | kept: copied back    | computed, kept if inner
//
// c comes from what is there: after a run that was dropped more is computed, in a new stream all. The layers are
// computed row by row (rows4), so a row's bits do not depend on which others are computed with it.
#ifndef SPLEETERRT_STREAM_ROLLING_H
#define SPLEETERRT_STREAM_ROLLING_H

#include "aligned.h"
#include "network/network_set.h"
#include "stream/runs.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace spleeterrt {

class RollingEncoders {
public:
    // networks: with a narrowed table, whose `rolling` layers are computed row by row. hop: frames between windows;
    // each begins at a multiple of it, minus their length. Table and weights outlive this object. Throws
    // std::bad_alloc.
    RollingEncoders(const NetworkSet &networks, std::size_t count, std::size_t hop);

    // What NetworkSet::run does. From any thread; where two windows of a network meet, one is computed whole.
    void run(std::size_t network, const WindowPlace &place, const float *input, float *output, float *workspace,
             fast_team *team);

private:
    struct Layer {
        std::int64_t rows, step;  // of its grid; frames from row to row
        std::int64_t first, end;  // inner rows
        std::int64_t wanted;      // from this row on the decoder reads what is not kept
        std::int64_t grain;       // of the beginnings: their greatest common divisor with the step
        std::size_t row_floats;   // of a row
        std::size_t tags, floats; // where the rows that are kept begin
    };
    struct Kept {
        std::atomic<bool> busy{false};
        std::uint64_t signal = 0;
        std::vector<std::int64_t> tags; // which row a place holds; none: none_kept
        AlignedFloats rows;
    };
    static constexpr std::int64_t none_kept = INT64_MIN;

    void encode(Kept &kept, const network_task &task, std::int64_t first_frame) const;
    // The place of a layer's row among those that are kept, of the window at first_frame.
    std::size_t place_of(const Layer &layer, std::int64_t first_frame, std::int64_t row) const;
    static std::int64_t tag_of(const Layer &layer, std::int64_t first_frame, std::int64_t row);

    const NetworkSet networks_;
    std::vector<Layer> layers_;
    std::unique_ptr<Kept[]> kept_; // of each network
};

} // namespace spleeterrt

#endif
