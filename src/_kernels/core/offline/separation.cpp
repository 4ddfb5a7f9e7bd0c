#include "offline/separation.h"

#include "check.h"
#include "sound/wiener.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

namespace spleeterrt {
namespace {

constexpr std::size_t channels = 2;
constexpr std::size_t group = Stft::frames_per_group;
constexpr std::size_t analysis_frames = 4 * group; // of a task
constexpr std::size_t covariance_bins = 64;        // of a task

// Networks of a batch over what its rounds of threads could run: below, threads wait for one another.
constexpr double balance = 0.9;

std::size_t divided_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

std::size_t most_frames_of(const SeparationOptions &o) { return o.segments * o.frames; }

// Samples that so many frames see.
std::size_t samples_of(const SeparationOptions &o, std::size_t frames)
{
    return (frames - 1) * o.frame_step + o.frame_length;
}

// max |x|^2
double most_power(const std::complex<float> *x, std::size_t n)
{
    double most = 0;
    for (std::size_t i = 0; i < n; i++) {
        const double re = x[i].real(), im = x[i].imag();
        most = std::max(most, re * re + im * im);
    }
    return most;
}

} // namespace

std::string check_separation(const SeparationOptions &o, const ModePlan &mode)
{
    if (o.frame_step == 0 || o.frame_step > o.frame_length)
        return "frame_step: expected 1 to the frame length, " + std::to_string(o.frame_length) + ", got " +
               std::to_string(o.frame_step);
    if (o.frames == 0 || o.frames % Synthesis::chunk_frames)
        return "T: expected a positive multiple of " + std::to_string(Synthesis::chunk_frames) + ", got " +
               std::to_string(o.frames);
    if (o.bins == 0 || o.bins > o.fft_length / 2 + 1)
        return "F: expected 1 to the bins of the STFT, " + std::to_string(o.fft_length / 2 + 1) + ", got " +
               std::to_string(o.bins);
    if (o.segments == 0)
        return "segments: expected at least one at a time";
    if (o.piece_frames % Synthesis::chunk_frames)
        return "piece_frames: expected a multiple of " + std::to_string(Synthesis::chunk_frames) + ", got " +
               std::to_string(o.piece_frames);
    if (o.wiener && !mode.ratio)
        return "the Wiener filter needs all networks' estimates: mode ratio";
    return "";
}

std::size_t segments_at_a_time(std::size_t networks, std::size_t threads)
{
    const std::size_t fewest = divided_up(threads, networks);
    std::size_t best = fewest;
    double most = 0;
    for (std::size_t segments = fewest; segments <= 2 * fewest && most < balance; segments++) {
        const std::size_t tasks = segments * networks;
        const double busy = static_cast<double>(tasks) / static_cast<double>(divided_up(tasks, threads) * threads);
        if (busy > most) {
            most = busy;
            best = segments;
        }
    }
    return best;
}

std::size_t segments_at_a_time(const ModePlan &mode, std::size_t threads)
{
    return segments_at_a_time(mode.cascade ? 1 : mode.networks.size(), threads);
}

Separation::Separation(const NetworkSet &networks, const ModePlan &mode, const SeparationOptions &options)
    : networks_(networks), ending_layers_(networks.n_layers), ending_(networks), mode_(mode), options_(options),
      most_frames_(most_frames_of(options)),
      window_(samples_of(options, most_frames_), most_frames_ * options.frame_step, options.frame_length),
      magnitudes_(AlignedFloats::in_large_pages(most_frames_ * row())),
      estimates_(AlignedFloats::in_large_pages(mode.networks.size() * most_frames_ * row())),
      left_(AlignedFloats::in_large_pages(mode.cascade ? most_frames_ * row() : 0))
{
    SRT_DCHECK(check_separation(options, mode).empty());
    SRT_DCHECK(!mode.networks.empty() && mode.made.size() == mode.networks.size());
    const SeparationOptions &o = options_;
    const std::vector<float> hann = hann_window(o.frame_length);
    std::vector<float> synthesis = hann;
    for (float &weight : synthesis)
        weight *= window_compensation;
    stft_.reset(make_stft(o.isa, o.frame_length, o.frame_step, o.fft_length, hann.data(), synthesis.data()));
    if (o.wiener) {
        const std::size_t stems = mode.networks.size();
        wiener_.sums.resize(stems * o.bins * covariance_terms);
        wiener_.peaks.resize(divided_up(o.frames, analysis_frames));
        wiener_.spectrum = AlignedFloats::in_large_pages(o.frames * (o.fft_length / 2 + 1) * channels * 2);
        wiener_.filtered = AlignedFloats::in_large_pages(o.frames * stems * row() * 2);
    }
    prepare_synthesis();
    reset();
}

std::unique_ptr<Separation> Separation::make(const NetworkSet &networks, const ModePlan &mode,
                                             const SeparationOptions &options)
{
    try {
        return std::unique_ptr<Separation>(new Separation(networks, mode, options));
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

// What is the same for all pieces.
void Separation::prepare_synthesis()
{
    SeparationOptions &o = options_;
    if (o.wiener)
        o.piece_frames = o.frames; // filtered a segment at a time
    else if (o.piece_frames == 0 || o.piece_frames > most_frames_)
        o.piece_frames = most_frames_;
    for (std::size_t network = 0; network < mode_.networks.size(); network++)
        if (mode_.made[network] >= 0)
            chosen_.push_back(network);
    outs_.resize(chosen_.size());
    const std::size_t tail = (o.frame_length - o.frame_step) * channels;
    tails_.resize(chosen_.size() * divided_up(o.piece_frames, Synthesis::chunk_frames) * tail);
    carry_.resize(chosen_.size() * tail);

    job_.stft = stft_.get();
    job_.frame_length = o.frame_length;
    job_.hop = o.frame_step;
    job_.f = o.bins;
    job_.stems = mode_.networks.size();
    job_.exponent = o.exponent;
    job_.silent = mode_.share;
    job_.average = o.average;
    job_.above = mode_.above;
    job_.chosen = chosen_.data();
    job_.n_chosen = chosen_.size();
    job_.outs = outs_.data();
    job_.tails = tails_.data();
    sound_floats_ = divided_up(job_.work_floats(), 16) * 16;
}

std::size_t Separation::most_workspace_floats() const { return std::max(networks_.workspace_floats, sound_floats_); }

Want Separation::wants() const
{
    switch (stage_) {
    case Stage::filling: return Want::samples;
    case Stage::placing: return Want::outputs;
    case Stage::rewinding: return Want::again;
    case Stage::ended: return Want::nothing;
    default: return Want::tasks;
    }
}

// --- the signal, window by window -----------------------------------------------------------------

// Of the signal so far, the prepended zeros counted.
std::size_t Separation::signal_frames() const
{
    return received_ ? static_cast<std::size_t>(received_ + options_.frame_length + options_.frame_step - 1) /
                           options_.frame_step
                     : 0;
}

const float *Separation::window_at(std::size_t frame) const
{
    return window_.samples() + frame * options_.frame_step * channels;
}

void Separation::reset()
{
    second_ = false;
    windows_heard_ = 0;
    wiener_.peak = 0;
    std::fill(wiener_.sums.begin(), wiener_.sums.end(), 0.0);
    begin_pass();
}

void Separation::again()
{
    SRT_DCHECK(stage_ == Stage::rewinding);
    second_ = true;
    begin_pass();
}

void Separation::begin_pass()
{
    window_.begin();
    std::fill(carry_.begin(), carry_.end(), 0.0f);
    received_ = frames_done_ = window_start_ = samples_heard_ = 0;
    finished_ = false;
    stage_ = Stage::filling;
}

std::size_t Separation::push(const float *samples, std::size_t count)
{
    SRT_DCHECK(stage_ == Stage::filling);
    SRT_DCHECK(samples && count > 0 && !finished_);
    const std::size_t taken = window_.fill(samples, count);
    received_ += taken;
    if (window_.full())
        begin_window(most_frames_);
    return taken;
}

void Separation::finish()
{
    SRT_DCHECK(stage_ == Stage::filling);
    finished_ = true;
    window_frames_ = 0;
    end_window();
}

// frames: those of the window that belong to the signal.
void Separation::begin_window(std::size_t frames)
{
    SRT_DCHECK(0 < frames && frames <= most_frames_);
    window_frames_ = frames;
    round_ = 0;
    // Frames behind the signal's end are padding of the last segment.
    std::memset(magnitudes_.data() + frames * row(), 0,
                (segments() * options_.frames - frames) * row() * sizeof(float));
    const std::size_t wanted = frames_of(segments() - 1);
    if (wanted < options_.frames)
        ending_ = narrowed(networks_, 0, wanted, ending_layers_.data());
    stage_ = Stage::analysis;
}

void Separation::end_window()
{
    if (window_frames_) {
        window_.next();
        frames_done_ += window_frames_;
        window_start_ += most_frames_ * options_.frame_step;
    }
    const std::size_t frames = signal_frames();
    if (!finished_) {
        stage_ = Stage::filling;
    } else if (frames_done_ < frames) {
        window_.pad();
        begin_window(std::min<std::size_t>(most_frames_, frames - static_cast<std::size_t>(frames_done_)));
    } else {
        stage_ = options_.wiener && !second_ ? Stage::rewinding : Stage::ended;
    }
}

// --- tasks ---------------------------------------------------------------------------------------

std::size_t Separation::tasks() const
{
    switch (stage_) {
    case Stage::analysis: return divided_up(window_frames_, analysis_frames);
    case Stage::networks: return segments() * (mode_.cascade ? 1 : mode_.networks.size());
    case Stage::softmax:
    case Stage::leaving: return segments();
    case Stage::spectrum: return divided_up(piece_.frames, analysis_frames);
    case Stage::covariance: return divided_up(options_.bins, covariance_bins);
    case Stage::filter: return piece_.frames;
    case Stage::synthesis: return job_.chunks();
    default: return 0;
    }
}

void Separation::run(std::size_t task, float *workspace)
{
    SRT_DCHECK(task < tasks());
    SRT_DCHECK(SRT_ALIGNED(workspace));
    const std::size_t first = task * analysis_frames;
    switch (stage_) {
    case Stage::analysis: analyse(first, std::min(first + analysis_frames, window_frames_), workspace); break;
    case Stage::networks: run_network(task, workspace, nullptr); break;
    case Stage::softmax: finish_segment(task); break;
    case Stage::leaving: leave(task); break;
    case Stage::spectrum: write_spectrum(task, workspace); break;
    case Stage::covariance: add_covariances(task); break;
    case Stage::filter: filter(task); break;
    case Stage::synthesis: synthesise_chunk(job_, task, workspace); break;
    default: break;
    }
}

void Separation::complete()
{
    SRT_DCHECK(wants() == Want::tasks);
    switch (stage_) {
    case Stage::analysis: stage_ = Stage::networks; break;
    case Stage::networks:
        if (networks_.softmax)
            stage_ = Stage::softmax;
        else if (mode_.cascade && round_ + 1 < mode_.networks.size())
            stage_ = Stage::leaving;
        else
            heard();
        break;
    case Stage::leaving:
        round_++;
        stage_ = Stage::networks;
        break;
    case Stage::softmax: heard(); break;
    case Stage::spectrum:
        stage_ = second_ ? Stage::filter : Stage::covariance;
        if (!second_)
            for (std::size_t task = 0; task < divided_up(piece_.frames, analysis_frames); task++)
                wiener_.peak = std::max(wiener_.peak, std::sqrt(wiener_.peaks[task]));
        break;
    case Stage::covariance: next_piece(); break;
    case Stage::filter: begin_synthesis(); break;
    case Stage::synthesis:
        join_chunks(job_, carry_.data());
        leave_rest();
        next_piece();
        break;
    default: break;
    }
}

void Separation::analyse(std::size_t first, std::size_t end, float *workspace)
{
    for (std::size_t frame = first; frame < end; frame += group)
        analyse_group(*stft_, window_at(frame), std::min(group, end - frame), nullptr,
                      magnitudes_.data() + frame * row(), options_.bins, workspace);
}

// Of a cascade each one in what is left by those before.
Separation::NetworkTask Separation::network_task(std::size_t task)
{
    SRT_DCHECK(networks_run() && task < tasks() && round_ < mode_.networks.size());
    const std::size_t count = mode_.cascade ? 1 : mode_.networks.size();
    const std::size_t network = mode_.cascade ? round_ : task % count, segment = task / count;
    const float *heard = round_ ? left_.data() : magnitudes_.data();
    return {network, frames_of(segment), heard + segment * segment_floats(),
            estimates_.data() + network * plane() + segment * segment_floats()};
}

void Separation::run_network(std::size_t task, float *workspace, fast_team *team)
{
    const NetworkTask at = network_task(task);
    const NetworkSet &networks = at.frames < options_.frames ? ending_ : networks_;
    networks.run(at.network, at.heard, at.estimates, workspace, team);
}

void Separation::finish_segment(std::size_t segment)
{
    const std::size_t at = segment * segment_floats();
    finish_softmax(*networks_.kernels, estimates_.data() + at, plane(), mode_.networks.size(), magnitudes_.data() + at,
                   frames_of(segment) * row());
}

void Separation::leave(std::size_t segment)
{
    const std::size_t n = frames_of(segment) * row(), at = segment * segment_floats();
    const float *heard = (round_ ? left_.data() : magnitudes_.data()) + at;
    const float *estimate = estimates_.data() + round_ * plane() + at;
    float *left = left_.data() + at;
    for (std::size_t i = 0; i < n; i++)
        left[i] = heard[i] - estimate[i];
    std::fill(left + n, left + segment_floats(), 0.0f); // nothing was heard there
}

// The estimates of all the window's segments are there.
void Separation::heard()
{
    windows_heard_++;
    samples_heard_ = received_;
    piece_.frames = piece_.frame = 0;
    next_piece();
}

// --- from estimates to sound ------------------------------------------------------------------------

// The window's next frames; after the last ones the next window.
void Separation::next_piece()
{
    piece_.frame += piece_.frames;
    if (piece_.frame == window_frames_) {
        end_window();
        return;
    }
    const std::size_t hop = options_.frame_step;
    const std::uint64_t prepended = options_.frame_length;
    piece_.frames = std::min(options_.piece_frames, window_frames_ - piece_.frame);
    piece_.start = window_start_ + piece_.frame * hop;
    piece_.first = std::max(piece_.start, prepended);
    piece_.last = std::max(piece_.first, std::min(piece_.start + piece_.frames * hop, prepended + received_));
    if (options_.wiener)
        stage_ = Stage::spectrum;
    else
        begin_synthesis();
}

void Separation::begin_synthesis()
{
    const std::size_t at = piece_.frame * row();
    job_.frames = piece_.frames;
    job_.skip = static_cast<std::size_t>(piece_.first - piece_.start);
    job_.count = samples();
    if (options_.wiener) {
        job_.spectra = filtered();
    } else {
        job_.samples = window_at(piece_.frame);
        job_.estimates = estimates_.data() + at;
        job_.plane = plane();
        job_.magnitudes = mode_.ratio ? nullptr : magnitudes_.data() + at;
    }
    stage_ = job_.count ? Stage::placing : Stage::synthesis; // none of the prepended zeros come out
}

void Separation::place(float *const *outs)
{
    SRT_DCHECK(stage_ == Stage::placing);
    for (std::size_t k = 0; k < chosen_.size(); k++) {
        outs_[k] = outs[mode_.made[chosen_[k]]];
        SRT_DCHECK(outs_[k]);
    }
    rest_ = mode_.rest < 0 ? nullptr : outs[mode_.rest];
    stage_ = Stage::synthesis;
}

// The rest: the mix minus the stems, in double, rounded once.
void Separation::leave_rest()
{
    constexpr std::size_t block = 1024;
    double left[block];
    if (!rest_ || !job_.count)
        return;
    const float *heard = mix();
    const std::size_t n = job_.count * channels;
    for (std::size_t first = 0; first < n; first += block) {
        const std::size_t count = std::min(block, n - first);
        for (std::size_t i = 0; i < count; i++)
            left[i] = heard[first + i];
        for (const float *out : outs_)
            for (std::size_t i = 0; i < count; i++)
                left[i] -= out[first + i];
        for (std::size_t i = 0; i < count; i++)
            rest_[first + i] = static_cast<float>(left[i]);
    }
}

// --- the Wiener filter, segment by segment ----------------------------------------------------------

namespace {

WienerInput wiener_input(const SeparationOptions &o, const std::complex<float> *spectrum, const float *estimates,
                         std::size_t plane, std::size_t stems)
{
    return {spectrum, o.fft_length / 2 + 1, estimates, plane, stems, o.bins, wiener_epsilon};
}

} // namespace

void Separation::write_spectrum(std::size_t task, float *workspace)
{
    const std::size_t bins = options_.fft_length / 2 + 1, first = task * analysis_frames;
    const std::size_t end = std::min(first + analysis_frames, piece_.frames);
    SRT_DCHECK(piece_.frames <= options_.frames && task < wiener_.peaks.size());
    std::complex<float> *rows = spectrum() + first * bins * channels;
    for (std::size_t frame = first; frame < end; frame += group)
        analyse_group(*stft_, window_at(piece_.frame + frame), std::min(group, end - frame),
                      spectrum() + frame * bins * channels, nullptr, 0, workspace);
    if (!second_)
        wiener_.peaks[task] = most_power(rows, (end - first) * bins * channels);
}

void Separation::add_covariances(std::size_t task)
{
    const std::size_t first = task * covariance_bins, end = std::min(first + covariance_bins, options_.bins);
    const float *estimates = estimates_.data() + piece_.frame * row();
    const WienerInput input = wiener_input(options_, spectrum(), estimates, plane(), mode_.networks.size());
    wiener_accumulate(input, piece_.frames, first, end, wiener_.sums.data());
}

void Separation::filter(std::size_t frame)
{
    const float *estimates = estimates_.data() + piece_.frame * row();
    const WienerInput input = wiener_input(options_, spectrum(), estimates, plane(), mode_.networks.size());
    wiener_apply(input, frame, std::max(1.0, wiener_.peak / 10.0), wiener_.sums.data(),
                 filtered() + frame * mode_.networks.size() * row());
}

} // namespace spleeterrt
