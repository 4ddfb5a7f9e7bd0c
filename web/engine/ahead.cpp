// The magnitudes of a signal, segment by segment, ahead of its separation: other workers' networks have the next
// segment while this worker makes the sound of the one before.
#include "host.h"
#include "model.h"

#include "offline/window.h"
#include "sound/spectral.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

using namespace spleeterrt;

namespace {

constexpr std::size_t channels = 2;

class Ahead {
public:
    explicit Ahead(const ModelFileConfig &c)
        : frames_(static_cast<std::size_t>(c.T)), bins_(static_cast<std::size_t>(c.F)),
          length_(static_cast<std::size_t>(c.frame_length)), step_(static_cast<std::size_t>(c.frame_step)),
          window_((frames_ - 1) * step_ + length_, frames_ * step_, length_), magnitudes_(frames_ * bins_ * channels)
    {
        const std::vector<float> hann = hann_window(length_);
        stft_.reset(make_stft(the_model().kernels->name, length_, step_, static_cast<std::size_t>(c.fft_length()),
                              hann.data(), hann.data()));
        workspace_ = AlignedFloats(stft_->scratch_floats());
    }

    std::size_t push(const float *left, const float *right, std::size_t count)
    {
        std::size_t taken = 0;
        for (; taken < count; taken++) {
            const float pair[channels] = {left[taken], right[taken]};
            if (!window_.fill(pair, 1))
                break;
        }
        received_ += taken;
        return taken;
    }

    void finish()
    {
        finished_ = true;
        window_.pad();
    }

    // Those of the next segment, [T][F][2]; null where there is none yet, or no more.
    const float *next()
    {
        std::size_t frames = frames_;
        if (!window_.full()) {
            const std::size_t all = received_ ? (received_ + length_ + step_ - 1) / step_ : 0;
            if (!finished_ || done_ >= all)
                return nullptr;
            frames = std::min(frames_, all - done_);
        }
        const std::size_t row = bins_ * channels, group = Stft::frames_per_group;
        std::memset(magnitudes_.data() + frames * row, 0, (frames_ - frames) * row * sizeof(float));
        for (std::size_t frame = 0; frame < frames; frame += group)
            analyse_group(*stft_, window_.samples() + frame * step_ * channels, std::min(group, frames - frame),
                          nullptr, magnitudes_.data() + frame * row, bins_, workspace_.data());
        window_.next();
        if (finished_)
            window_.pad();
        done_ += frames;
        given_ = frames;
        return magnitudes_.data();
    }
    // Of the segment that was given last, those of the signal: what lies behind them is padding.
    std::size_t frames() const { return given_; }

private:
    const std::size_t frames_, bins_, length_, step_;
    SignalWindow window_;
    AlignedFloats magnitudes_, workspace_;
    std::unique_ptr<Stft> stft_;
    std::size_t received_ = 0, done_ = 0, given_ = 0; // samples, frames, frames
    bool finished_ = false;
};

std::unique_ptr<Ahead> ahead;

} // namespace

SRT_EXPORT(srt_ahead_begin) void srt_ahead_begin() { ahead.reset(new Ahead(the_model().config)); }
SRT_EXPORT(srt_ahead_end) void srt_ahead_end() { ahead.reset(); }

// How many of `count` samples were taken: fewer where a segment is there.
SRT_EXPORT(srt_ahead_push) std::size_t srt_ahead_push(const float *left, const float *right, std::size_t count)
{
    return ahead->push(left, right, count);
}
SRT_EXPORT(srt_ahead_finish) void srt_ahead_finish() { ahead->finish(); }
SRT_EXPORT(srt_ahead_next) const float *srt_ahead_next() { return ahead->next(); }
SRT_EXPORT(srt_ahead_frames) int srt_ahead_frames() { return static_cast<int>(ahead->frames()); }
