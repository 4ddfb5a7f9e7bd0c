// Short-time Fourier transform, ratio masks and overlap-add of stereo signals.
//
// Spectra are [frames][bins][2 channels] complex float, as Spleeter's `stft_feature`; magnitudes,
// estimates and masks are [frames][F][2] float.
//
// Every frame is computed by the same instructions wherever it stands, so results do not
// depend on how a signal is cut into calls or threads.
#ifndef SPLEETERRT_SPECTRAL_H
#define SPLEETERRT_SPECTRAL_H

#include "sound/masks.h"

#include <complex>
#include <cstddef>
#include <vector>

namespace spleeterrt {

constexpr float window_compensation = 2.0f / 3.0f; // of Spleeter: Hann squared at 75 % overlap sums to 3/2
constexpr float largest_sample = 1e15f;            // the squares of louder signals' spectra leave float32

// Periodic, as Spleeter's (`tf.signal.hann_window`).
std::vector<float> hann_window(std::size_t length);

// The transform of one signal's parameters; immutable, shared by threads. Implemented once per
// instruction set (stft.cpp). It works on a group of at most `frames_per_group` frames, whose spectrum
// stays in the caller's scratch (64-byte aligned, one per thread) from one call to the next:
//
//     transform(samples) or read(spectrum), then magnitude, write, and synthesise as often as wanted
class Stft {
public:
    // Frames transformed together: one vector lane per frame and channel.
    static constexpr std::size_t frames_per_group = 4;

    virtual ~Stft() = default;
    const char *name() const { return masks_.name; }    // of the instruction set
    const MaskKernels &masks() const { return masks_; } // of the same instruction set
    virtual std::size_t scratch_floats() const = 0;

    // samples [(frames - 1) * hop + frame_length][2], windowed
    virtual void transform(const float *samples, std::size_t frames, float *scratch) const = 0;

    // spectrum: `frames` rows of [bins][2], `stride` values apart; the bins above are zero
    virtual void read(const std::complex<float> *spectrum, std::size_t stride, std::size_t bins, std::size_t frames,
                      float *scratch) const = 0;

    // magnitude [frames][f][2] of the lowest f bins
    virtual void magnitude(std::size_t frames, float *magnitude, std::size_t f, const float *scratch) const = 0;

    // spectrum [frames][all bins][2]
    virtual void write(std::size_t frames, std::complex<float> *spectrum, const float *scratch) const = 0;

    // Masks the spectrum, transforms it back and adds the windowed frames to sum
    // [(frames - 1) * hop + frame_length][2]. mask [frames][f][2] for the lowest f bins,
    // extension [frames][2] for the bins above; mask == nullptr: the spectrum as it is.
    void synthesise(const float *mask, const float *extension, std::size_t f, std::size_t frames, float *sum,
                    float *scratch) const
    {
        Lane lanes[frames_per_group] = {};
        for (std::size_t t = 0; t < frames; t++)
            lanes[t] = {mask ? mask + t * f * 2 : nullptr, mask ? extension + t * 2 : nullptr, sum + t * hop_ * 2};
        synthesise(lanes, frames, f, scratch);
    }

    // One frame in all places of a group, to be synthesised under several masks at once (real time):
    // samples [frame_length][2].
    virtual void transform_one(const float *samples, float *scratch) const = 0;

    // What a place of the group becomes: mask [f][2] and extension [2] (both nullptr, for all places: the
    // spectrum as it is), sum [frame_length][2] that the frame is added to.
    struct Lane {
        const float *mask, *extension;
        float *sum;
    };
    virtual void synthesise(const Lane *lanes, std::size_t count, std::size_t f, float *scratch) const = 0;

protected:
    Stft(std::size_t hop, const MaskKernels &masks) : hop_(hop), masks_(masks) {}
    const std::size_t hop_;
    const MaskKernels &masks_;
};

// One instruction set's build of it.
struct StftTable {
    Stft *(*make)(std::size_t frame_length, std::size_t hop, std::size_t fft_length, const float *analysis,
                  const float *synthesis);
};

// isa: "avx512", "avx2" or "generic", as isa.h names them; what does not run here becomes the plainest one.
// Windows for analysis and synthesis: [frame_length]; fft_length >= frame_length, a power of two. Spleeter:
// periodic Hann at 75 % overlap, and window_compensation times the same.
Stft *make_stft(const char *isa, std::size_t frame_length, std::size_t hop, std::size_t fft_length,
                const float *analysis, const float *synthesis);

// A group's samples -> spectrum [frames][all bins][2] and magnitude [frames][f][2], either of which may be nullptr.
// Here and in what follows of whole signals, denormal numbers count as zero.
void analyse_group(const Stft &stft, const float *samples, std::size_t frames, std::complex<float> *spectrum,
                   float *magnitude, std::size_t f, float *scratch);

// From estimates to the sound of the chosen stems, for a range of frames. Each chunk of `chunk_frames`
// frames is a task of its own: transform a group of frames once more (cheaper than keeping its
// spectrum), make its masks, and for each stem transform back and overlap-add, all in the cache.
// `join_chunks` then adds what reaches from each chunk into the next ones.
struct Synthesis {
    static constexpr std::size_t chunk_frames = 32; // divides every T

    const Stft *stft = nullptr;
    std::size_t frame_length = 0, hop = 0;
    std::size_t frames = 0; // of the range; all of a range but the signal's last one are whole chunks
    std::size_t f = 0, stems = 0;
    // The mix [(frames - 1) * hop + frame_length][2] and the estimates, [stems] planes of [frames][f][2];
    const float *samples = nullptr;
    const float *estimates = nullptr;
    std::size_t plane = 0;
    // Masks by the ratio of the estimates, or, where the mix's magnitudes [frames][f][2] are given, each one's own,
    // `silent` where the mix is.
    float exponent = 0;
    const float *magnitudes = nullptr;
    float silent = 0;
    // Masks above f: the mean of those below, or one weight.
    bool average = false;
    float above = 0;
    // or, where samples == nullptr, finished spectra [frames][stems][f][2].
    const std::complex<float> *spectra = nullptr;
    // The stems to make: out k gets samples [skip, skip + count) of the range, of stem chosen[k].
    const std::size_t *chosen = nullptr;
    std::size_t n_chosen = 0;
    float *const *outs = nullptr;
    std::size_t skip = 0, count = 0;
    float *tails = nullptr; // [n_chosen][chunks][frame_length - hop][2]

    std::size_t chunks() const { return (frames + chunk_frames - 1) / chunk_frames; }
    std::size_t work_floats() const; // of one thread's work space, 64-byte aligned
};

void synthesise_chunk(const Synthesis &job, std::size_t chunk, float *work);

// carry [n_chosen][frame_length - hop][2]: what reaches from earlier ranges into this one, and then from
// this one into later ones.
void join_chunks(const Synthesis &job, float *carry);

} // namespace spleeterrt

#endif
