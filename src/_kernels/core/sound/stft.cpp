// The STFT of one instruction set: compiled once per set with SRT_ISA naming it.
//
// Four stereo frames are transformed at a time, in the eight lanes of a vector: lane 2 t + c holds channel c of
// frame t. A lane's arithmetic does not depend on the others, so a frame gives the same bits in any place.
//
// The FFT is included inside the set's namespace: no copy of it that was compiled for wider
// vectors can be linked into code for narrower ones.
#include "check.h"
#include "simd/lanes8.h"
#include "sound/spectral.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// What pocketfft includes, so that none of it lands in the namespace.
#include <array>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <tuple>
#include <type_traits>

#define POCKETFFT_NO_MULTITHREADING
namespace spleeterrt::SRT_ISA {
#include "pocketfft/pocketfft_hdronly.h"
}

namespace spleeterrt::SRT_ISA {

extern const MaskKernels mask_table;

namespace {

constexpr std::size_t channels = 2;
constexpr std::size_t group = Stft::frames_per_group;
static_assert(lanes == group * channels, "four stereo frames");

using Floats = pocketfft::detail::arr<float>; // not std::vector: its copies would be shared between the sets
// Rows of a group; those of missing frames are rows of zeros.
using Rows = const float *[group];

class IsaStft final : public Stft {
public:
    using Stft::synthesise;

    IsaStft(std::size_t frame_length, std::size_t hop, std::size_t fft_length, const float *analysis,
            const float *synthesis)
        : Stft(hop, mask_table), frame_length_(frame_length), length_(fft_length), bins_(fft_length / 2 + 1),
          fft_(fft_length), analysis_(frame_length), synthesis_(frame_length),
          zeros_(2 * channels * bins_ + channels * frame_length)
    {
        SRT_DCHECK(0 < hop && hop <= frame_length && frame_length <= fft_length);
        SRT_DCHECK(fft_length > 1 && (fft_length & (fft_length - 1)) == 0);
        std::memcpy(analysis_.data(), analysis, frame_length * sizeof(float));
        std::memset(zeros_.data(), 0, zeros_.size() * sizeof(float));
        for (std::size_t i = 0; i < frame_length; i++)
            synthesis_[i] = synthesis[i] / static_cast<float>(fft_length);
    }

    std::size_t scratch_floats() const override { return 3 * length_ * lanes; }

    void transform(const float *samples, std::size_t frames, float *scratch) const override
    {
        SRT_DCHECK(samples && 0 < frames && frames <= group);
        Rows from;
        for (std::size_t t = 0; t < group; t++)
            from[t] = t < frames ? samples + t * hop_ * channels : zeros_.data();
        transform_rows(from, scratch);
    }

    void transform_one(const float *samples, float *scratch) const override
    {
        const Rows from = {samples, samples, samples, samples};
        transform_rows(from, scratch);
    }

    // The samples of every place in the group.
    void transform_rows(const Rows &from, float *scratch) const
    {
        SRT_DCHECK(scratch && SRT_ALIGNED(scratch));
        Vec *x = spectrum_of(scratch);
        std::size_t i = 0;
        for (; i + 4 <= frame_length_; i += 4) { // four samples of four frames
            Vec v[4];
            load_block(from, i, v);
            for (std::size_t j = 0; j < 4; j++)
                x[i + j] = v[j] * analysis_[i + j];
        }
        for (; i < frame_length_; i++)
            x[i] = load_lanes(from, i) * analysis_[i];
        for (; i < length_; i++)
            x[i] = Vec{};
        fft_.exec(x, spare_of(scratch), 1.0f, true);
    }

    void magnitude(std::size_t frames, float *magnitude, std::size_t f, const float *scratch) const override
    {
        SRT_DCHECK(magnitude && SRT_ALIGNED(scratch) && 0 < frames && frames <= group && f <= bins_);
        const Vec *x = spectrum_of(scratch);
        std::size_t k = 0;
        for (; k + 4 <= f; k += 4) { // four bins of four frames
            Vec v[4];
            for (std::size_t j = 0; j < 4; j++)
                v[j] = size_of_bin(x, k + j);
            transpose(v[0], v[1], v[2], v[3]);
            for (std::size_t t = 0; t < frames; t++)
                store(magnitude + (t * f + k) * channels, v[t]);
        }
        for (; k < f; k++) {
            float size[lanes];
            store(size, size_of_bin(x, k));
            for (std::size_t t = 0; t < frames; t++)
                std::memcpy(magnitude + (t * f + k) * channels, size + channels * t, channels * sizeof(float));
        }
    }

    void write(std::size_t frames, std::complex<float> *spectrum, const float *scratch) const override
    {
        SRT_DCHECK(spectrum && SRT_ALIGNED(scratch) && 0 < frames && frames <= group);
        const Vec *x = spectrum_of(scratch);
        for (std::size_t k = 0; k < bins_; k++) {
            const Vec re = real(x, k), im = imaginary(x, k);
            float row[2 * lanes]; // frame by frame: re, im of the left channel, of the right one
            store(row, zip_low(re, im));
            store(row + lanes, zip_high(re, im));
            for (std::size_t t = 0; t < frames; t++)
                std::memcpy(reinterpret_cast<float *>(spectrum + (t * bins_ + k) * channels), row + 2 * channels * t,
                            2 * channels * sizeof(float));
        }
    }

    void read(const std::complex<float> *spectrum, std::size_t stride, std::size_t bins, std::size_t frames,
              float *scratch) const override
    {
        SRT_DCHECK(spectrum && SRT_ALIGNED(scratch) && 0 < frames && frames <= group && bins <= bins_);
        Vec *x = spectrum_of(scratch);
        Rows from;
        for (std::size_t t = 0; t < group; t++)
            from[t] = t < frames ? reinterpret_cast<const float *>(spectrum + t * stride) : zeros_.data();
        for (std::size_t k = 0; k < bins_; k++) {
            const std::size_t at = 2 * channels * k;
            Vec re{}, im{};
            if (k < bins) {
                const Vec left = gather(from[0] + at, from[1] + at, from[2] + at, from[3] + at);
                const Vec right = gather(from[0] + at + 2, from[1] + at + 2, from[2] + at + 2, from[3] + at + 2);
                // (re, im) of the left channel and of the right one, per frame -> re and im of all lanes
                re = to_lanes(evens(left, right));
                im = to_lanes(odds(left, right));
            }
            x[k == 0 ? 0 : 2 * k - 1] = re;
            if (k > 0 && k < bins_ - 1)
                x[2 * k] = im;
        }
    }

    void synthesise(const Lane *place, std::size_t count, std::size_t f, float *scratch) const override
    {
        SRT_DCHECK(SRT_ALIGNED(scratch) && 0 < count && count <= group && f <= bins_);
        for (std::size_t t = 0; t < count; t++)
            SRT_DCHECK(place[t].sum && !place[t].mask == !place[0].mask);
        const Vec *x = spectrum_of(scratch);
        Vec *y = masked_of(scratch);
        if (place[0].mask) {
            Rows masks;
            float above[lanes] = {};
            for (std::size_t t = 0; t < group; t++) {
                masks[t] = t < count ? place[t].mask : zeros_.data();
                for (std::size_t c = 0; c < channels && t < count; c++)
                    above[t * channels + c] = place[t].extension[c];
            }
            std::size_t k = 0;
            for (; k + 4 <= f; k += 4) {
                Vec m[4];
                load_block(masks, k, m);
                for (std::size_t j = 0; j < 4; j++)
                    apply(x, y, k + j, m[j]);
            }
            for (; k < f; k++)
                apply(x, y, k, load_lanes(masks, k));
            const Vec extended = load(above);
            for (; k < bins_; k++)
                apply(x, y, k, extended);
        } else {
            std::memcpy(y, x, length_ * sizeof(Vec));
        }
        fft_.exec(y, spare_of(scratch), 1.0f, false);

        std::size_t i = 0;
        for (; i + 4 <= frame_length_; i += 4) {
            Vec v[4];
            for (std::size_t j = 0; j < 4; j++)
                v[j] = y[i + j] * synthesis_[i + j];
            transpose(v[0], v[1], v[2], v[3]);
            for (std::size_t t = 0; t < count; t++) {
                float *out = place[t].sum + i * channels;
                store(out, load(out) + v[t]);
            }
        }
        for (; i < frame_length_; i++)
            for (std::size_t t = 0; t < count; t++)
                for (std::size_t c = 0; c < channels; c++)
                    place[t].sum[i * channels + c] += y[i][t * channels + c] * synthesis_[i];
    }

private:
    // The scratch: the spectrum of a group in half-complex order (r0, r1, i1, r2, i2, ..., r(n/2)), the
    // masked one that becomes samples, and what the FFT needs.
    Vec *spectrum_of(float *scratch) const { return reinterpret_cast<Vec *>(scratch); }
    const Vec *spectrum_of(const float *scratch) const { return reinterpret_cast<const Vec *>(scratch); }
    Vec *masked_of(float *scratch) const { return spectrum_of(scratch) + length_; }
    Vec *spare_of(float *scratch) const { return spectrum_of(scratch) + 2 * length_; }

    Vec real(const Vec *x, std::size_t k) const { return x[k == 0 ? 0 : 2 * k - 1]; }
    Vec imaginary(const Vec *x, std::size_t k) const { return k == 0 || k == bins_ - 1 ? Vec{} : x[2 * k]; }
    Vec size_of_bin(const Vec *x, std::size_t k) const
    {
        const Vec re = real(x, k), im = imaginary(x, k);
        return root(re * re + im * im);
    }
    // y = x m in bin k
    void apply(const Vec *x, Vec *y, std::size_t k, Vec m) const
    {
        const std::size_t at = k == 0 ? 0 : 2 * k - 1;
        y[at] = x[at] * m;
        if (k > 0 && k < bins_ - 1)
            y[2 * k] = x[2 * k] * m;
    }

    // Both channels at place i of every row, and at places i to i + 3.
    static Vec load_lanes(const Rows &rows, std::size_t i)
    {
        const std::size_t at = i * channels;
        return gather(rows[0] + at, rows[1] + at, rows[2] + at, rows[3] + at);
    }
    static void load_block(const Rows &rows, std::size_t i, Vec v[4])
    {
        for (std::size_t t = 0; t < group; t++)
            v[t] = load(rows[t] + i * channels);
        transpose(v[0], v[1], v[2], v[3]);
    }

    // frame 0..3 of the left channel, then of the right one -> lane 2 t + c
    static Vec to_lanes(Vec v)
    {
        const Vec right = uppers(v, v);
        return zip_low(v, right);
    }

    std::size_t frame_length_, length_, bins_;
    pocketfft::detail::rfftp<float> fft_; // powers of two only: no Bluestein
    Floats analysis_, synthesis_, zeros_;
};

Stft *make(std::size_t frame_length, std::size_t hop, std::size_t fft_length, const float *analysis,
           const float *synthesis)
{
    return new IsaStft(frame_length, hop, fft_length, analysis, synthesis);
}

} // namespace

extern const StftTable stft_table = {make};

} // namespace spleeterrt::SRT_ISA
