# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""STFT, ratio masks, Wiener filter and overlap-add behind numpy arrays, parallel over frames (`tasks.pxd`).

Shapes: samples [n, 2]; spectrum complex64 [frames, bins, 2]; magnitudes [frames, F, 2]; estimates and
masks [stems, frames, F, 2]. Threads share nothing but their inputs; the work is cut at fixed
frames, so that the result does not depend on their number.
"""

from libc.math cimport sqrt
from libc.string cimport memset
from libcpp.string cimport string
from libcpp.vector cimport vector

from _kernels.modes cimport (
    ModeOptions, ModePlan, cpp_model_stems, cpp_plan_mode, mode_names, name_bytes, name_text,
)
from _kernels.tasks cimport TaskRunner, for_each, task_runner

cdef extern from "core/sound/masks.h" namespace "spleeterrt" nogil:
    cdef enum class Isa:
        pass
    Isa default_isa()
    bint isa_named(const char* name, Isa& isa)
    cdef struct MaskKernels:
        const char* name
        void (*ratio_masks)(
            const float* x, size_t plane, size_t stems, size_t n, float exponent, float* mask) noexcept nogil
        void (*own_mask)(
            const float* x, const float* magnitudes, size_t n, float silent, float* mask) noexcept nogil
        void (*mean_mask)(const float* mask, size_t f, float* mean) noexcept nogil
        size_t (*first_beyond)(const float* x, size_t n, float limit) noexcept nogil
    const MaskKernels& mask_kernels(Isa isa)

cdef extern from "core/sound/spectral.h" namespace "spleeterrt" nogil:
    cdef cppclass CppStft "spleeterrt::Stft":
        const MaskKernels& masks()
        const char* name()
    CppStft* make_stft(
        const char* isa, size_t frame_length, size_t hop, size_t fft_length, const float* analysis,
        const float* synthesis) except +
    void cpp_analyse_group "spleeterrt::analyse_group" (
        const CppStft& stft, const float* samples, size_t frames, float complex* spectrum, float* magnitude,
        size_t f, float* scratch)
    vector[float] cpp_hann_window "spleeterrt::hann_window" (size_t length)
    const float window_compensation, largest_sample
    size_t FRAMES_PER_GROUP "spleeterrt::Stft::frames_per_group"
    size_t _CHUNK_FRAMES "spleeterrt::Synthesis::chunk_frames"
    cdef cppclass Synthesis:
        const CppStft* stft
        size_t frame_length, hop, frames, f, stems
        const float* samples
        const float* estimates
        size_t plane
        float exponent
        const float* magnitudes
        float silent
        bint average
        float above
        const float complex* spectra
        const size_t* chosen
        size_t n_chosen
        float** outs
        size_t skip, count
        float* tails
        size_t chunks()
        size_t work_floats()
    void cpp_synthesise_chunk "spleeterrt::synthesise_chunk" (const Synthesis& job, size_t chunk, float* work)
    void cpp_join_chunks "spleeterrt::join_chunks" (const Synthesis& job, float* carry)

cdef extern from "core/sound/wiener.h" namespace "spleeterrt" nogil:
    cdef cppclass WienerInput:
        const float complex* spectrum
        size_t bins
        const float* magnitudes
        size_t plane, stems, f
        double eps
    size_t COVARIANCE_TERMS "spleeterrt::covariance_terms"
    const double wiener_epsilon
    void cpp_wiener_accumulate "spleeterrt::wiener_accumulate" (
        const WienerInput& input, size_t frames, size_t first_bin, size_t last_bin, double* sums)
    void cpp_wiener_apply "spleeterrt::wiener_apply" (
        const WienerInput& input, size_t frame, double scale, const double* sums, float complex* out)

cdef TaskRunner runner = task_runner()

CHUNK_FRAMES = _CHUNK_FRAMES
"""Frames that one task of the synthesis overlap-adds by itself; divides every T."""

covariance_terms = COVARIANCE_TERMS
WIENER_EPSILON = wiener_epsilon
WINDOW_COMPENSATION = window_compensation
LARGEST_SAMPLE = largest_sample

MODES = tuple([mode_names[index].decode() for index in range(mode_names.size())])


def plan_mode(
    mode, instruments, bint softmax, wanted, bint residual, double above, bint full_band, bint live,
    two_stems,
):
    """(why not or "", the fields of `ModePlan`), as `core/sound/modes.h` says."""
    cdef ModeOptions options
    cdef ModePlan plan
    cdef vector[string] names
    options.mode = name_bytes(mode)
    options.residual, options.above, options.full_band, options.live = residual, above, full_band, live
    if two_stems is not None:
        options.two_stems = <string>name_bytes(two_stems)
    for name in wanted:
        options.wanted.push_back(name_bytes(name))
    for name in instruments:
        names.push_back(name_bytes(name))
    problem = name_text(cpp_plan_mode(options, names, softmax, plan))
    return problem, {
        "stems": tuple([name_text(name) for name in plan.stems]),
        "networks": tuple(plan.networks), "made": tuple(plan.made), "rest": plan.rest,
        "ratio": plan.ratio, "cascade": plan.cascade, "above": plan.above, "share": plan.share,
    }


def hann_window(size_t length):
    """A list of [length] floats: periodic, as `tf.signal.hann_window`."""
    return cpp_hann_window(length)


cdef const MaskKernels* masks_of(isa) except NULL:
    # None: of the set that SPLEETERRT_ISA names, or of the best.
    cdef Isa chosen = default_isa()
    if isa is not None and not isa_named(isa.encode(), chosen):
        raise ValueError(f"no instruction set {isa!r} here")
    return &mask_kernels(chosen)


def default_sets():
    """{family: the instruction set of its default build}"""
    return {"masks": masks_of(None).name.decode()}


def model_stems(held):
    """Of the stems that a file holds networks of those that make one model, as `core/sound/modes.h` says."""
    cdef vector[string] names
    for name in held:
        names.push_back(name_bytes(name))
    return tuple([name_text(name) for name in cpp_model_stems(names)])


def first_beyond(const float[:, ::1] samples, float limit):
    """Index of the first sample [n, 2] with a channel that is not below `limit` (NaN included), or n."""
    cdef const MaskKernels* kernels = masks_of(None)
    cdef size_t n = samples.shape[0] * samples.shape[1], at = 0
    if n == 0:
        return 0
    with nogil:
        at = kernels.first_beyond(&samples[0, 0], n, limit)
    return <Py_ssize_t>(at // samples.shape[1])


def ratio_masks(const float[:, :, :, ::1] x, float exponent, float[:, :, :, ::1] masks, isa=None):
    """Estimates [stems, frames, F, 2] -> ratio masks. Here and below, isa: an instruction set; None: as
    SPLEETERRT_ISA says, or the best."""
    cdef const MaskKernels* kernels = masks_of(isa)
    cdef size_t n = x.shape[1] * x.shape[2] * x.shape[3]
    if n:
        with nogil:
            kernels.ratio_masks(&x[0, 0, 0, 0], n, x.shape[0], n, exponent, &masks[0, 0, 0, 0])


def own_mask(const float[::1] x, const float[::1] magnitudes, float silent, float[::1] mask, isa=None):
    """A network's estimates and the mix's magnitudes -> its own mask."""
    cdef const MaskKernels* kernels = masks_of(isa)
    cdef size_t n = x.shape[0]
    if n:
        with nogil:
            kernels.own_mask(&x[0], &magnitudes[0], n, silent, &mask[0])


def mean_mask(const float[:, ::1] mask, float[::1] mean, isa=None):
    """mask [F, 2] -> its mean over the bins [2] (mask extension "average")."""
    cdef const MaskKernels* kernels = masks_of(isa)
    with nogil:
        kernels.mean_mask(&mask[0, 0], mask.shape[0], &mean[0])


def peak_magnitude(const float complex[:, :, ::1] spectrum):
    """max |spectrum|; NaN is skipped."""
    cdef const float complex* x = &spectrum[0, 0, 0]
    cdef Py_ssize_t i
    cdef double peak = 0.0, square
    with nogil:
        for i in range(spectrum.shape[0] * spectrum.shape[1] * spectrum.shape[2]):
            square = <double>x[i].real * x[i].real + <double>x[i].imag * x[i].imag
            if square > peak:  # not fmax: GCC 12.2 for AArch64 ends with an internal error on that loop
                peak = square
    return sqrt(peak)


cdef struct WienerJob:
    WienerInput input
    size_t frames
    double scale
    double* sums
    const double* covariances
    float complex* out
    Py_ssize_t row  # of out's frames


cdef void accumulate_bins(const void* context, Py_ssize_t task, Py_ssize_t thread) noexcept nogil:
    cdef const WienerJob* job = <const WienerJob*>context
    cdef size_t block = 64, first = task * block
    cpp_wiener_accumulate(job.input, job.frames, first, min(first + block, job.input.f), job.sums)


cdef void filter_frame(const void* context, Py_ssize_t frame, Py_ssize_t thread) noexcept nogil:
    cdef const WienerJob* job = <const WienerJob*>context
    cpp_wiener_apply(job.input, frame, job.scale, job.covariances, job.out + frame * job.row)


cdef WienerInput wiener_input(
    const float complex[:, :, ::1] spectrum, const float[:, :, :, ::1] magnitudes, double eps
):
    cdef WienerInput w
    w.spectrum = &spectrum[0, 0, 0]
    w.bins = spectrum.shape[1]
    w.magnitudes = &magnitudes[0, 0, 0, 0]
    w.plane = magnitudes.shape[1] * magnitudes.shape[2] * magnitudes.shape[3]
    w.stems = magnitudes.shape[0]
    w.f = magnitudes.shape[2]
    w.eps = eps
    return w


def wiener_accumulate(
    const float complex[:, :, ::1] spectrum, const float[:, :, :, ::1] magnitudes, Py_ssize_t frames,
    double eps, double[:, :, ::1] sums, int threads,
):
    """Adds the covariances of the first `frames` frames to sums [stems, F, covariance_terms]."""
    cdef WienerJob job
    job.input, job.frames, job.sums = wiener_input(spectrum, magnitudes, eps), frames, &sums[0, 0, 0]
    with nogil:
        for_each(runner, accumulate_bins, &job, (job.input.f + 63) // 64, threads)


def wiener_apply(
    const float complex[:, :, ::1] spectrum, const float[:, :, :, ::1] magnitudes, Py_ssize_t frames,
    double eps, double scale, const double[:, :, ::1] sums, float complex[:, :, :, ::1] out, int threads,
):
    """Filters the first `frames` frames: out [frames, stems, F, 2]."""
    cdef WienerJob job
    job.input, job.scale, job.covariances = wiener_input(spectrum, magnitudes, eps), scale, &sums[0, 0, 0]
    job.out, job.row = &out[0, 0, 0, 0], out.shape[1] * out.shape[2] * out.shape[3]
    with nogil:
        for_each(runner, filter_frame, &job, frames, threads)


cdef struct AnalysisJob:
    const CppStft* plan
    const float* samples
    Py_ssize_t frames, hop, f
    float complex* spectrum  # NULL: not wanted
    Py_ssize_t row           # of its frames
    float* magnitude         # NULL: not wanted
    float* work
    Py_ssize_t work_row


cdef void analyse_frames(const void* context, Py_ssize_t task, Py_ssize_t thread) noexcept nogil:
    cdef const AnalysisJob* job = <const AnalysisJob*>context
    cdef Py_ssize_t group = FRAMES_PER_GROUP, first = task * group
    cpp_analyse_group(
        job.plan[0], job.samples + first * job.hop * 2, min(group, job.frames - first),
        job.spectrum + first * job.row if job.spectrum != NULL else NULL,
        job.magnitude + first * job.f * 2 if job.magnitude != NULL else NULL, job.f,
        job.work + thread * job.work_row)


cdef struct SynthesisJob:
    const Synthesis* synthesis
    float* work
    Py_ssize_t work_row


cdef void synthesise(const void* context, Py_ssize_t chunk, Py_ssize_t thread) noexcept nogil:
    cdef const SynthesisJob* job = <const SynthesisJob*>context
    cpp_synthesise_chunk(job.synthesis[0], chunk, job.work + thread * job.work_row)


cdef class Stft:
    """A plan: window, FFT and sizes; immutable, shared by threads.

    `work` [threads, n] float32, rows at 64-byte boundaries: each thread's working memory.
    """

    cdef CppStft* plan
    cdef readonly Py_ssize_t frame_length, hop, bins

    def __cinit__(
        self, Py_ssize_t frame_length, Py_ssize_t hop, Py_ssize_t fft_length,
        const float[::1] analysis, const float[::1] synthesis, isa,
    ):
        self.plan = make_stft(isa.encode(), frame_length, hop, fft_length, &analysis[0], &synthesis[0])
        self.frame_length, self.hop, self.bins = frame_length, hop, fft_length // 2 + 1

    def __dealloc__(self):
        del self.plan

    cdef Synthesis synthesis(self, Py_ssize_t f, Py_ssize_t stems, Py_ssize_t chosen):
        cdef Synthesis job
        job.stft = self.plan
        job.frame_length, job.hop = self.frame_length, self.hop
        job.f, job.stems, job.n_chosen = f, stems, chosen
        return job

    @property
    def isa(self):
        """The instruction set that it runs by."""
        return self.plan.name().decode()

    def work_floats(self, Py_ssize_t f, Py_ssize_t stems, Py_ssize_t chosen):
        """Floats of a thread's work to make `chosen` of the stems; analysis needs less."""
        return self.synthesis(f, stems, chosen).work_floats()

    def analyse(
        self, const float[:, ::1] samples, Py_ssize_t frames, float complex[:, :, ::1] spectrum,
        float[:, :, ::1] magnitude, float[:, ::1] work,
    ):
        """samples [>= (frames - 1) * hop + frame_length, 2] -> the first `frames` frames of spectrum
        [.., bins, 2] and magnitude [.., F, 2], either of which may be None; frames behind them become zero.
        """
        cdef Py_ssize_t group = FRAMES_PER_GROUP, groups = (frames + group - 1) // group
        cdef Py_ssize_t f = magnitude.shape[1] if magnitude is not None else 0
        cdef Py_ssize_t row = self.bins * 2
        cdef float complex* x = &spectrum[0, 0, 0] if spectrum is not None else NULL
        cdef float* m = &magnitude[0, 0, 0] if magnitude is not None else NULL
        cdef AnalysisJob job
        job.plan, job.frames, job.hop, job.f = self.plan, frames, self.hop, f
        job.samples = &samples[0, 0]
        job.spectrum, job.row, job.magnitude = x, row, m
        job.work, job.work_row = &work[0, 0], work.shape[1]
        with nogil:
            for_each(runner, analyse_frames, &job, groups, work.shape[0])
        if x != NULL and frames < spectrum.shape[0]:
            memset(x + frames * row, 0, (spectrum.shape[0] - frames) * row * sizeof(float complex))
        if m != NULL and frames < magnitude.shape[0]:
            memset(m + frames * f * 2, 0, (magnitude.shape[0] - frames) * f * 2 * sizeof(float))

    def separate(
        self, const float[:, ::1] samples, const float[:, :, :, :] estimates, float exponent,
        const float[:, :, ::1] magnitudes, float silent, bint average, float above,
        const size_t[::1] stems, Py_ssize_t frames, list outs, Py_ssize_t skip,
        float[:, :, :, ::1] tails, float[:, :, :, ::1] carry, float[:, ::1] work,
    ):
        """The mix's samples and the estimates [stems, frames, F, 2] (planes may lie apart) -> masks ->
        the sound of the chosen `stems`: outs[k] [n, 2] gets samples [skip, skip + n) of the range.

        Ratio masks where magnitudes is None; else each network's own, of the mix's magnitudes [frames, F, 2],
        `silent` where these are zero. Above F: the mean below (average), or the weight `above`.

        tails [chosen, >= chunks, frame_length - hop, 2] is overwritten. carry [chosen, 1, the same]:
        what reaches from the ranges before into this one; becomes what reaches into the next.
        """
        cdef Synthesis job = self.synthesis(estimates.shape[2], estimates.shape[0], stems.shape[0])
        job.samples = &samples[0, 0]
        job.estimates = &estimates[0, 0, 0, 0]
        job.plane = estimates.strides[0] // sizeof(float)
        job.exponent, job.silent, job.average, job.above = exponent, silent, average, above
        if magnitudes is not None:
            job.magnitudes = &magnitudes[0, 0, 0]
        self.run(job, stems, frames, outs, skip, tails, carry, work)

    def separate_spectra(
        self, const float complex[:, :, :, ::1] spectra, const size_t[::1] stems, Py_ssize_t frames,
        list outs, Py_ssize_t skip, float[:, :, :, ::1] tails, float[:, :, :, ::1] carry, float[:, ::1] work,
    ):
        """Like `separate`, of finished spectra [frames, stems, F, 2]; silence above F."""
        cdef Synthesis job = self.synthesis(spectra.shape[2], spectra.shape[1], stems.shape[0])
        job.spectra = &spectra[0, 0, 0, 0]
        self.run(job, stems, frames, outs, skip, tails, carry, work)

    cdef run(
        self, Synthesis& job, const size_t[::1] stems, Py_ssize_t frames, list outs, Py_ssize_t skip,
        float[:, :, :, ::1] tails, float[:, :, :, ::1] carry, float[:, ::1] work,
    ):
        cdef vector[float*] pointers
        cdef float[:, ::1] out
        cdef SynthesisJob tasks
        cdef size_t count = 0
        if frames == 0:
            return
        for array in outs:
            out = array
            count = out.shape[0]
            pointers.push_back(&out[0, 0])
        job.frames, job.skip, job.count = frames, skip, count
        job.chosen, job.outs, job.tails = &stems[0], pointers.data(), &tails[0, 0, 0, 0]
        tasks.synthesis, tasks.work, tasks.work_row = &job, &work[0, 0], work.shape[1]
        with nogil:
            for_each(runner, synthesise, &tasks, job.chunks(), work.shape[0])
            cpp_join_chunks(job, &carry[0, 0, 0, 0])
