// The matrix product by the micro-kernels of the fast layers (multiply.h): blocks of a and b are packed as these read
// them, multiplied, and the products added to c.
#include "fast/sgemm.h"
#include "fast/multiply.h"
#include "isa.h"

namespace spleeterrt::SRT_ISA {

namespace {

// A panel of b (at most 32 x 256 floats) stays in L1 while the rows of a pass by; both blocks and their product in L2.
constexpr size_t most_depth = 256, most_rows = 96, most_channels = 256;
constexpr size_t a_floats = most_depth * most_rows, b_floats = most_depth * most_channels,
                 c_floats = most_rows * most_channels;

size_t whole_blocks(size_t count) { return (count + block - 1) / block; }

template <int count> ALWAYS_INLINE void move_piece(float *&to, const float *&from, bool add)
{
    for (int i = 0; i < count; i++)
        to[i] = add ? to[i] + from[i] : from[i];
    to += count;
    from += count;
}

// Fewer floats than a block, by lengths that compilers know.
ALWAYS_INLINE void move_part(float *to, const float *from, size_t count, bool add)
{
    if (count & 8)
        move_piece<8>(to, from, add);
    if (count & 4)
        move_piece<4>(to, from, add);
    if (count & 2)
        move_piece<2>(to, from, add);
    if (count & 1)
        move_piece<1>(to, from, add);
}

// A block: `count` floats, then zeros.
ALWAYS_INLINE void copy(float *to, const float *from, size_t count)
{
    if (count == (size_t)block) {
        memcpy(to, from, block * sizeof(float));
        return;
    }
    memset(to, 0, block * sizeof(float));
    move_part(to, from, count, false);
}

// to[i][j] = from[j][i], i < rows, j < columns; zeros up to `room` rows and a block of columns.
void transpose_into(float *to, size_t to_ld, const float *from, size_t from_ld, size_t rows, size_t columns,
                    size_t room)
{
    if (rows == (size_t)block && columns == (size_t)block) {
        for (size_t i = 0; i < (size_t)block; i += lanes)
            for (size_t j = 0; j < (size_t)block; j += lanes) {
                Vec square[lanes];
                for (int v = 0; v < lanes; v++)
                    square[v] = load(from + (j + v) * from_ld + i);
                transpose(square);
                for (int v = 0; v < lanes; v++)
                    store(to + (i + v) * to_ld + j, square[v]);
            }
        return;
    }
    for (size_t i = 0; i < room; i++)
        for (size_t j = 0; j < (size_t)block; j++)
            to[i * to_ld + j] = i < rows && j < columns ? from[j * from_ld + i] : 0.0f;
}

// op(a)[first ... first + rows, depth ...] -> [depth / 16][rows][16]
void pack_a(const Sgemm &p, size_t first, size_t rows, size_t depth_first, size_t depth, float *to)
{
    for (size_t k = 0; k < depth; k += block, to += rows * block) {
        const size_t count = min<size_t>(block, depth - k);
        if (p.trans_a) {
            for (size_t i = 0; i < rows; i += block) {
                const size_t some = min<size_t>(block, rows - i);
                transpose_into(to + i * block, block, p.a + (depth_first + k) * p.lda + first + i, p.lda, some, count,
                               some);
            }
        } else {
            for (size_t i = 0; i < rows; i++)
                copy(to + i * block, p.a + (first + i) * p.lda + depth_first + k, count);
        }
    }
}

// op(b)[depth ..., first ... first + channels] -> panels, [depth, in whole blocks][panel]; the last one may be narrower
void pack_b(const Sgemm &p, size_t first, size_t channels, size_t depth_first, size_t depth, float *to)
{
    const size_t room = whole_blocks(depth) * block, all = whole_blocks(channels) * block;
    for (size_t done = 0; done < all;) {
        const size_t width = all - done >= (size_t)panel ? panel : block;
        for (size_t j = 0; j < width; j += block) {
            const size_t at = done + j, count = min<size_t>(block, channels - at);
            for (size_t k = 0; k < room; k += block) {
                const size_t some = min<size_t>(block, depth - k);
                float *out = to + k * width + j;
                if (p.trans_b) {
                    transpose_into(out, width, p.b + (first + at) * p.ldb + depth_first + k, p.ldb, some, count, block);
                    continue;
                }
                for (size_t i = 0; i < some; i++)
                    copy(out + i * width, p.b + (depth_first + k + i) * p.ldb + first + at, count);
                for (size_t i = some; i < (size_t)block; i++)
                    memset(out + i * width, 0, block * sizeof(float));
            }
        }
        to += room * width;
        done += width;
    }
}

// from [channels / 16][rows][16] -> c, which it sets or is added to
void unpack(const Sgemm &p, size_t first, size_t rows, size_t channel, size_t channels, const float *from, bool add)
{
    for (size_t i = 0; i < rows; i++) {
        float *c = p.c + (first + i) * p.ldc + channel;
        for (size_t j = 0; j < channels; j += block) {
            const float *x = from + j * rows + i * block;
            const size_t count = min<size_t>(block, channels - j);
            if (count == (size_t)block) {
                for (int v = 0; v < block; v += lanes)
                    store(c + j + v, add ? load(c + j + v) + load(x + v) : load(x + v));
            } else {
                move_part(c + j, x, count, add);
            }
        }
    }
}

void run(const Sgemm &p, float *pack)
{
    float *a = pack, *b = a + a_floats, *c = b + b_floats;
    if (p.k == 0)
        for (size_t i = 0; i < p.m; i++)
            memset(p.c + i * p.ldc, 0, p.n * sizeof(float));
    for (size_t channel = 0; channel < p.n; channel += most_channels) {
        const size_t channels = min(most_channels, p.n - channel);
        for (size_t k = 0; k < p.k; k += most_depth) {
            const size_t depth = min(most_depth, p.k - k);
            pack_b(p, channel, channels, k, depth, b);
            for (size_t first = 0; first < p.m; first += most_rows) {
                const size_t rows = min(most_rows, p.m - first);
                pack_a(p, first, rows, k, depth, a);
                Product product = {};
                product.depth_blocks = (int)whole_blocks(depth);
                product.a = a;
                product.b = b;
                product.c = c;
                product.a_stride = product.c_stride = (ptrdiff_t)(rows * block);
                Products((int)rows).run((int)whole_blocks(channels), product);
                unpack(p, first, rows, channel, channels, c, k > 0);
            }
        }
    }
}

} // namespace

extern const SgemmKernels sgemm_kernels;
const SgemmKernels sgemm_kernels = {SRT_ISA_NAME, a_floats + b_floats + c_floats, run};

} // namespace spleeterrt::SRT_ISA
