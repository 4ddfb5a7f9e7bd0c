#include "stream/signal.h"

#include "check.h"
#include "stream/integers.h"
#include "stream/synthesis_windows.h"

#include <algorithm>
#include <cmath>

namespace spleeterrt {
namespace {

constexpr std::size_t resampled_chunk = 64; // samples of output at a time
constexpr float absurd = 1e15f;             // the squares of louder signals' spectra leave float32
constexpr float inaudible = 1e-30f;         // below, arithmetic is slow (denormal numbers)

} // namespace

Signal::Signal(const StreamOptions &options, const StreamShape &shape, std::size_t stems, std::ptrdiff_t residual,
               Frames &frames)
    : options_(options), shape_(shape), stems_(stems), residual_(residual), there_(frames)
{
    SRT_DCHECK(stems > 0 && residual < static_cast<std::ptrdiff_t>(stems));
    const StreamOptions &o = options_;
    make_transforms();
    if (o.sample_rate != o.model_rate)
        make_resamplers();
    ring_samples_ = shape.core_latency + shape.model_piece + 2 * o.frame_length + o.frame_step;
    ring_ = memory_.take(ring_samples_ * stream_channels);
    frame_ = memory_.take(o.frame_length * stream_channels);
    scratch_ = memory_.take(std::max(heard_->scratch_floats(), masked_->scratch_floats()));
    sums_ = memory_.take(stems * o.frame_length * stream_channels);
    ready_ = memory_.take(stems * o.frame_step * stream_channels);
    zeros_ = memory_.take(o.frame_step * stream_channels);
    if (residual >= 0) {
        kept_samples_ = shape.latency + 2 * shape.piece;
        kept_ = memory_.take(kept_samples_ * stream_channels);
        rest_ = memory_.take(std::max(o.frame_step, resampled_chunk) * stream_channels);
    }
}

void Signal::make_transforms()
{
    const StreamOptions &o = options_;
    const Windows windows = stream_windows(o.frame_length, o.frame_step, o.synthesis);
    const auto stft = [&](const std::vector<float> &analysis) {
        return make_stft(o.isa, o.frame_length, o.frame_step, o.fft_length, analysis.data(), windows.synthesis.data());
    };
    heard_.reset(stft(windows.heard));
    masked_.reset(stft(windows.analysis));
}

// Their delays and the one between them add up to a whole number of samples, `latency`.
void Signal::make_resamplers()
{
    const StreamOptions &o = options_;
    down_filter_.reset(new ResamplerFilter(o.sample_rate, o.model_rate));
    const double ratio = static_cast<double>(o.sample_rate) / o.model_rate;
    const double up = (static_cast<double>(shape_.latency) - down_filter_->delay()) / ratio -
                      static_cast<double>(shape_.core_latency);
    up_filter_.reset(new ResamplerFilter(o.model_rate, o.sample_rate,
                                         up - ResamplerFilter::least_delay(o.model_rate, o.sample_rate)));
    down_.reset(new Resampler(*down_filter_));
    for (std::size_t s = 0; s < stems_; s++)
        up_.emplace_back(*up_filter_);
    resampled_.resize(stems_ * resampled_chunk * stream_channels);
}

void Signal::start(std::int64_t position)
{
    const std::int64_t step = static_cast<std::int64_t>(options_.frame_step);
    const std::int64_t run = static_cast<std::int64_t>(options_.hop_frames) * step;
    // Frames, runs and resamplers stand as they did a period before.
    const std::int64_t period = run * static_cast<std::int64_t>(down_ ? down_filter_->from() : 1);
    const std::int64_t at = (position % period + period) % period;
    first_ = emitted_ = at;
    if (down_) {
        const std::int64_t from = static_cast<std::int64_t>(down_filter_->from());
        first_ = ceil_div(at * static_cast<std::int64_t>(down_filter_->to()), from);
        emitted_ = at ? up_filter_->last_input(static_cast<std::uint64_t>(at - 1)) + 1 : 0;
        down_->start(at, static_cast<std::uint64_t>(first_));
        for (Resampler &up : up_)
            up.start(emitted_, static_cast<std::uint64_t>(at));
    }
    received_ = first_;
    emitted_ -= static_cast<std::int64_t>(shape_.core_latency);
    first_frame_ = frames_ = floor_div(first_, step);
    synthesised_ = std::max(first_frame_, ceil_div(emitted_ + static_cast<std::int64_t>(options_.synthesis), step));
    taken_ = given_ = 0;
    std::memset(sums_, 0, stems_ * options_.frame_length * stream_channels * sizeof(float));
    analyse_frame();
}

// --- analysis ------------------------------------------------------------------------------------

void Signal::take(const StreamInput &in, std::size_t count)
{
    SRT_DCHECK(count <= shape_.piece);
    std::uint64_t repaired = 0;
    for (std::size_t i = 0; i < count; i++) {
        float x[stream_channels];
        for (std::size_t c = 0; c < stream_channels; c++) {
            x[c] = in.channel[c][static_cast<std::ptrdiff_t>(i) * in.stride];
            const float size = std::fabs(x[c]);
            if (!(size < absurd)) {
                x[c] = 0.0f;
                repaired++;
            } else if (size < inaudible) {
                x[c] = 0.0f;
            }
        }
        if (kept_)
            keep(x[0], x[1]);
        if (down_) {
            down_->push(x[0], x[1]);
            while (down_->ready()) {
                down_->next(x[0], x[1]);
                append(x[0], x[1]);
            }
        } else {
            append(x[0], x[1]);
        }
    }
    if (repaired)
        repaired_.fetch_add(repaired, std::memory_order_relaxed);
}

void Signal::append(float left, float right)
{
    float *at = ring_ + static_cast<std::size_t>(received_) % ring_samples_ * stream_channels;
    at[0] = left;
    at[1] = right;
    received_++;
    if (received_ == frames_ * static_cast<std::int64_t>(options_.frame_step))
        analyse_frame();
}

// Copies a frame out of the ring; the signal begins with silence.
void Signal::gather(std::int64_t frame)
{
    const std::int64_t length = static_cast<std::int64_t>(options_.frame_length);
    const std::int64_t first = frame * static_cast<std::int64_t>(options_.frame_step) - length;
    const std::int64_t silent = std::min(length, std::max<std::int64_t>(0, first_ - first));
    // All of it has come, and is in the ring still.
    SRT_DCHECK(first + length <= received_ && received_ - first - silent <= static_cast<std::int64_t>(ring_samples_));
    std::memset(frame_, 0, static_cast<std::size_t>(silent) * stream_channels * sizeof(float));
    std::size_t to = static_cast<std::size_t>(silent);
    while (to < options_.frame_length) {
        const std::size_t at = static_cast<std::size_t>(first + static_cast<std::int64_t>(to)) % ring_samples_;
        const std::size_t n = std::min(options_.frame_length - to, ring_samples_ - at);
        std::memcpy(frame_ + to * stream_channels, ring_ + at * stream_channels, n * stream_channels * sizeof(float));
        to += n;
    }
}

void Signal::analyse_frame()
{
    const std::int64_t frame = frames_++;
    gather(frame);
    heard_->transform_one(frame_, scratch_);
    heard_->magnitude(1, there_.magnitudes(frame), options_.bins, scratch_);
    there_.analysed(frame);
}

// --- synthesis -----------------------------------------------------------------------------------

std::size_t Signal::next(std::size_t most, const float **stems)
{
    SRT_DCHECK(most > 0);
    std::size_t n;
    if (up_filter_) {
        n = std::min(most, resampled_chunk);
        for (std::size_t i = 0; i < n; i++)
            next_resampled(i);
        for (std::size_t s = 0; s < stems_; s++)
            stems[s] = resampled_.data() + s * resampled_chunk * stream_channels;
    } else {
        n = std::min(most, advance());
        for (std::size_t s = 0; s < stems_; s++)
            stems[s] = emitted_ < first_ ? zeros_ : ready_ + (s * options_.frame_step + ready_at()) * stream_channels;
        emitted_ += static_cast<std::int64_t>(n);
    }
    if (kept_)
        stems[residual_] = rest(stems, n);
    return n;
}

// Makes the sample at emitted_ ready; how many are, from there on.
std::size_t Signal::advance()
{
    const std::int64_t step = static_cast<std::int64_t>(options_.frame_step);
    const std::int64_t window = static_cast<std::int64_t>(options_.synthesis);
    while (emitted_ >= synthesised_ * step - window)
        synthesise_frame();
    const std::int64_t n = std::min(synthesised_ * step - window - emitted_, step);
    return static_cast<std::size_t>(emitted_ < first_ ? std::min(n, first_ - emitted_) : n);
}

// Where the sample at emitted_ lies in ready_. What leaks before the beginning of the signal is not there: it is cut
// off, as offline.
std::size_t Signal::ready_at() const
{
    const std::int64_t step = static_cast<std::int64_t>(options_.frame_step);
    return static_cast<std::size_t>(emitted_ + static_cast<std::int64_t>(options_.synthesis) -
                                    (synthesised_ - 1) * step);
}

void Signal::next_resampled(std::size_t at)
{
    while (!up_[0].ready()) {
        const std::size_t step = options_.frame_step;
        advance();
        for (std::size_t s = 0; s < stems_; s++) {
            const float *x = emitted_ < first_ ? zeros_ : ready_ + (s * step + ready_at()) * stream_channels;
            up_[s].push(x[0], x[1]);
        }
        emitted_++;
    }
    for (std::size_t s = 0; s < stems_; s++) {
        float *y = resampled_.data() + (s * resampled_chunk + at) * stream_channels;
        up_[s].next(y[0], y[1]);
    }
}

void Signal::keep(float left, float right)
{
    float *at = kept_ + static_cast<std::size_t>(taken_++) % kept_samples_ * stream_channels;
    at[0] = left;
    at[1] = right;
}

// What the input of `latency` samples before has and the other stems have not.
const float *Signal::rest(const float *const *stems, std::size_t count)
{
    const std::int64_t first = given_ - static_cast<std::int64_t>(shape_.latency);
    for (std::size_t i = 0; i < count; i++) {
        const std::int64_t at = first + static_cast<std::int64_t>(i);
        const float *x =
            kept_ + static_cast<std::size_t>(std::max<std::int64_t>(at, 0)) % kept_samples_ * stream_channels;
        for (std::size_t c = 0; c < stream_channels; c++) {
            float others = 0.0f;
            for (std::size_t s = 0; s < stems_; s++)
                if (s != static_cast<std::size_t>(residual_))
                    others += stems[s][i * stream_channels + c];
            rest_[i * stream_channels + c] = (at < 0 ? 0.0f : x[c]) - others;
        }
    }
    given_ += static_cast<std::int64_t>(count);
    return rest_;
}

void Signal::synthesise_frame()
{
    const std::size_t values = options_.bins * stream_channels;
    const std::size_t length = options_.frame_length, step = options_.frame_step;
    const FrameMasks masks = there_.masks(synthesised_);
    gather(synthesised_);
    masked_->transform_one(frame_, scratch_);
    for (std::size_t first = 0; first < stems_; first += Stft::frames_per_group) {
        const std::size_t count = std::min(Stft::frames_per_group, stems_ - first);
        Stft::Lane lanes[Stft::frames_per_group] = {};
        for (std::size_t k = 0; k < count; k++) {
            const std::size_t s = first + k;
            lanes[k] = {masks.masks + s * values, masks.extensions + s * stream_channels,
                        sums_ + s * length * stream_channels};
        }
        masked_->synthesise(lanes, count, options_.bins, scratch_);
    }
    const std::size_t skip = length - options_.synthesis;
    for (std::size_t s = 0; s < stems_; s++) {
        float *sum = sums_ + s * length * stream_channels, *ready = ready_ + s * step * stream_channels;
        std::memcpy(ready, sum + skip * stream_channels, step * stream_channels * sizeof(float));
        std::memmove(sum, sum + step * stream_channels, (length - step) * stream_channels * sizeof(float));
        std::memset(sum + (length - step) * stream_channels, 0, step * stream_channels * sizeof(float));
    }
    synthesised_++;
}

} // namespace spleeterrt
