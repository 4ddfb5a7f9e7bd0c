// Where the operands of one pass of a Winograd layer lie: sizes and offsets, in floats.
#ifndef SPLEETERRT_FAST_OPERANDS_H
#define SPLEETERRT_FAST_OPERANDS_H

#include "fast/multiply.h"
#include "fast/transforms.h"

namespace spleeterrt::SRT_ISA {

// Tiles of rows x m. A tile with two outputs along time uses four of the six points of the filters of m x m;
// `AlongTime` says which. Points, lines and columns are numbered among those that are used.
template <int m, bool decoder, int rows = m> struct Operands {
    using Shape = Patch<m, decoder, rows>;
    static constexpr int n = m + 2, row_n = rows + 2;
    static constexpr int points = row_n * n;
    static constexpr int filter_lines = 2 * n - 1, row_filter_lines = 2 * row_n - 1;

    int in_blocks, out_blocks;
    int tiles_per_pass;
    ptrdiff_t tile_stride; // between blocks of 16 channels of a pass
    size_t data[points];   // of a point's left operand
    size_t products[points];
    size_t weights[points];                          // of a point's stored weights
    size_t data_at[Shape::row_lines * Shape::lines]; // of a transformed patch's value (row, column)
    size_t product_at[4][points];                    // decoder: of each phase (2 a + b); encoder: of the one sum
    size_t end, stored_floats;

    // Phases along one dimension that reach a point: the 2-tap phase misses 0 (encoder) or infinity.
    static constexpr int row_phases(int p) { return p == (decoder ? row_n - 1 : 0) ? 1 : 2; }
    static constexpr int phases(int q) { return q == (decoder ? n - 1 : 0) ? 1 : 2; }
    static constexpr int phases(int p, int q) { return row_phases(p) * phases(q); }
    int depth_blocks(int i) const { return in_blocks * (decoder ? 1 : phases(i / n, i % n)); }
    int channel_blocks(int i) const { return out_blocks * (decoder ? phases(i / n, i % n) : 1); }

    // Point and phase of a line of a transformed patch or filter.
    static constexpr int row_line_phase(int line) { return line >= row_n; }
    static constexpr int row_line_point(int line) { return line < row_n ? line : line - row_n + (decoder ? 0 : 1); }
    static constexpr int line_phase(int line) { return line >= n; }
    static constexpr int line_point(int line) { return line < n ? line : line - n + (decoder ? 0 : 1); }
    static int line_point(int row, int column) { return row_line_point(row) * n + line_point(column); }
    // Which of the phases that reach the point.
    static int line_phase(int row, int column)
    {
        return row_line_phase(row) * phases(line_point(column)) + line_phase(column);
    }
    // The filters' line of tiles of m x m.
    static constexpr int filter_line(int line)
    {
        const int point = AlongTime<m, rows>::point(row_line_point(line));
        return row_line_phase(line) ? point + n - (decoder ? 0 : 1) : point;
    }

    Operands(int in_c, int out_c, int tiles) : in_blocks(in_c / block), out_blocks(out_c / block), tiles_per_pass(tiles)
    {
        tile_stride = (ptrdiff_t)tiles_per_pass * block;
        size_t used = 0;
        stored_floats = 0;
        // Every point's buffer starts in another cache set, so that a tile's points do not evict each other.
        auto place = [&](size_t blocks, int point) {
            size_t line = used / block, wanted = (size_t)(point * 5) % 64;
            line += (wanted + 64 - line % 64) % 64;
            used = (line + blocks * tiles_per_pass) * block;
            return line * block;
        };
        for (int i = 0; i < points; i++)
            data[i] = place(depth_blocks(i), i);
        for (int p = 0, next = 0; p < n; p++) { // weights are of all points of m x m
            const bool taken = next < row_n && AlongTime<m, rows>::point(next) == p;
            for (int q = 0; q < n; q++) {
                if (taken)
                    weights[next * n + q] = stored_floats;
                stored_floats += (size_t)in_blocks * out_blocks * block * block * phases(p) * phases(q);
            }
            next += taken;
        }
        for (int i = 0; i < points; i++)
            products[i] = place(channel_blocks(i), i);
        end = used;
        for (int r = 0; r < Shape::row_lines; r++)
            for (int c = 0; c < Shape::lines; c++)
                data_at[r * Shape::lines + c] =
                    data[line_point(r, c)] + (size_t)line_phase(r, c) * in_blocks * tile_stride;
        for (int a = 0; a < 2; a++)
            for (int b = 0; b < 2; b++)
                for (int i = 0; i < points; i++)
                    product_at[2 * a + b][i] =
                        products[i] + (decoder ? (size_t)(a * phases(i % n) + b) * out_blocks * tile_stride : 0);
    }
};

} // namespace spleeterrt::SRT_ISA

#endif
