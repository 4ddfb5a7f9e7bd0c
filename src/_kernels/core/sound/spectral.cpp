#include "sound/spectral.h"
#include "denormals.h"

#include <algorithm>
#include <cstring>

namespace spleeterrt {

std::vector<float> hann_window(std::size_t length)
{
    constexpr double pi = 3.14159265358979323846;
    std::vector<float> window(length);
    for (std::size_t i = 0; i < length; i++)
        window[i] =
            static_cast<float>(0.5 - 0.5 * std::cos(2 * pi * static_cast<double>(i) / static_cast<double>(length)));
    return window;
}

namespace {

constexpr std::size_t channels = 2;
constexpr std::size_t group = Stft::frames_per_group;

std::size_t aligned(std::size_t floats) { return (floats + 15) / 16 * 16; }

// Samples of a group's overlap-add.
std::size_t sum_samples(const Synthesis &job) { return (group - 1) * job.hop + job.frame_length; }

// The part of [at, at + n) that the outputs hold.
struct Part {
    std::size_t from, to;
    Part(const Synthesis &job, std::size_t at, std::size_t n)
        : from(std::max(at, job.skip)), to(std::min(at + n, job.skip + job.count))
    {
    }
    bool empty() const { return from >= to; }
    std::size_t floats() const { return (to - from) * channels; }
};

// Masks of one group's frames [stems][frames][f][2], and their extensions [stems][frames][2].
void make_masks(const Synthesis &job, std::size_t first, std::size_t frames, float *masks, float *extensions)
{
    const std::size_t row = job.f * channels;
    const float *estimates = job.estimates + first * row;
    if (job.magnitudes) {
        for (std::size_t s = 0; s < job.stems; s++)
            job.stft->masks().own_mask(estimates + s * job.plane, job.magnitudes + first * row, frames * row,
                                       job.silent, masks + s * frames * row);
    } else {
        job.stft->masks().ratio_masks(estimates, job.plane, job.stems, frames * row, job.exponent, masks);
    }
    for (std::size_t i = 0; i < job.stems * frames; i++) {
        extensions[i * channels] = extensions[i * channels + 1] = job.above;
        if (job.average)
            job.stft->masks().mean_mask(masks + i * row, job.f, extensions + i * channels);
    }
}

} // namespace

void analyse_group(const Stft &stft, const float *samples, std::size_t frames, std::complex<float> *spectrum,
                   float *magnitude, std::size_t f, float *scratch)
{
    const NoDenormals fast;
    stft.transform(samples, frames, scratch);
    if (magnitude)
        stft.magnitude(frames, magnitude, f, scratch);
    if (spectrum)
        stft.write(frames, spectrum, scratch);
}

std::size_t Synthesis::work_floats() const
{
    return aligned(stft->scratch_floats()) + aligned(stems * group * f * channels) + aligned(stems * group * channels) +
           n_chosen * sum_samples(*this) * channels;
}

void synthesise_chunk(const Synthesis &job, std::size_t chunk, float *work)
{
    const NoDenormals fast;
    float *scratch = work;
    float *masks = scratch + aligned(job.stft->scratch_floats());
    float *extensions = masks + aligned(job.stems * group * job.f * channels);
    float *sums = extensions + aligned(job.stems * group * channels);
    const std::size_t length = sum_samples(job) * channels, row = job.f * channels;
    const std::size_t end = std::min((chunk + 1) * Synthesis::chunk_frames, job.frames);

    std::memset(sums, 0, job.n_chosen * length * sizeof(float));
    for (std::size_t t = chunk * Synthesis::chunk_frames; t < end; t += group) {
        const std::size_t frames = std::min(group, end - t);
        if (job.samples) {
            job.stft->transform(job.samples + t * job.hop * channels, frames, scratch);
            make_masks(job, t, frames, masks, extensions);
        }
        const std::size_t ready = frames * job.hop; // samples that no later frame reaches
        const Part part(job, t * job.hop, ready);
        for (std::size_t k = 0; k < job.n_chosen; k++) {
            const std::size_t stem = job.chosen[k];
            float *sum = sums + k * length;
            if (job.samples) {
                job.stft->synthesise(masks + stem * frames * row, extensions + stem * frames * channels, job.f, frames,
                                     sum, scratch);
            } else {
                job.stft->read(job.spectra + (t * job.stems + stem) * row, job.stems * row, job.f, frames, scratch);
                job.stft->synthesise(nullptr, nullptr, 0, frames, sum, scratch);
            }
            if (!part.empty())
                std::memcpy(job.outs[k] + (part.from - job.skip) * channels, sum + (part.from - t * job.hop) * channels,
                            part.floats() * sizeof(float));
            std::memmove(sum, sum + ready * channels, (length - ready * channels) * sizeof(float));
            std::memset(sum + length - ready * channels, 0, ready * channels * sizeof(float));
        }
    }
    const std::size_t tail = (job.frame_length - job.hop) * channels;
    for (std::size_t k = 0; k < job.n_chosen; k++)
        std::memcpy(job.tails + (k * job.chunks() + chunk) * tail, sums + k * length, tail * sizeof(float));
}

void join_chunks(const Synthesis &job, float *carry)
{
    const NoDenormals fast;
    const std::size_t tail = job.frame_length - job.hop;
    for (std::size_t k = 0; k < job.n_chosen; k++) {
        float *held = carry + k * tail * channels;
        for (std::size_t chunk = 0; chunk < job.chunks(); chunk++) {
            const std::size_t first = chunk * Synthesis::chunk_frames;
            const std::size_t at = first * job.hop;
            const std::size_t body = std::min(Synthesis::chunk_frames, job.frames - first) * job.hop;
            const std::size_t reach = std::min(body, tail);
            const Part part(job, at, reach);
            if (!part.empty()) {
                float *out = job.outs[k] + (part.from - job.skip) * channels;
                const float *more = held + (part.from - at) * channels;
                for (std::size_t i = 0; i < part.floats(); i++)
                    out[i] += more[i];
            }
            const float *next = job.tails + (k * job.chunks() + chunk) * tail * channels;
            const std::size_t left = (tail - reach) * channels;
            std::memmove(held, held + reach * channels, left * sizeof(float));
            std::memset(held + left, 0, reach * channels * sizeof(float));
            for (std::size_t i = 0; i < tail * channels; i++)
                held[i] += next[i];
        }
    }
}

} // namespace spleeterrt
