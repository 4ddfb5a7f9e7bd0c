# cython: language_level=3
"""STFT, ratio masks, Wiener filter and overlap-add behind numpy arrays, parallel over frames.

Shapes: samples [n, 2]; spectrum complex64 [frames, bins, 2]; magnitudes [frames, F, 2]; estimates and
masks [stems, frames, F, 2]. Threads share nothing but their inputs; the work is cut at fixed
frames, so that the result does not depend on their number.
"""

from cython.parallel cimport prange
from libc.math cimport fmax, sqrt
from libc.string cimport memset

cdef extern from "core/spectral.h" namespace "spleeterrt" nogil:
    cdef cppclass CppStft "spleeterrt::Stft":
        void analyse(
            const float* samples, size_t frames, float complex* spectrum, float* magnitude, size_t f)
        void synthesise(
            const float complex* spectrum, const float* mask, const float* extension, size_t f,
            size_t frames, float* sum)
    CppStft* make_stft(
        const char* isa, size_t frame_length, size_t hop, size_t fft_length, const float* window,
        float compensation) except +
    void cpp_ratio_masks "spleeterrt::ratio_masks" (
        float* x, size_t plane, size_t stems, size_t n, float exponent)
    void cpp_mean_mask "spleeterrt::mean_mask" (const float* mask, size_t f, float* mean)
    size_t FRAMES_PER_GROUP "spleeterrt::Stft::frames_per_group"

cdef extern from "core/wiener.h" namespace "spleeterrt" nogil:
    cdef cppclass WienerInput:
        const float complex* spectrum
        size_t bins
        const float* magnitudes
        size_t plane, stems, f
        double eps
    size_t COVARIANCE_TERMS "spleeterrt::covariance_terms"
    void cpp_wiener_accumulate "spleeterrt::wiener_accumulate" (
        const WienerInput& input, size_t frames, size_t first_bin, size_t last_bin, double* sums)
    void cpp_wiener_apply "spleeterrt::wiener_apply" (
        const WienerInput& input, size_t frame, double scale, const double* sums, float complex* out)

cdef enum:
    _CHUNK_FRAMES = 64

CHUNK_FRAMES = _CHUNK_FRAMES
"""Frames that one task of the synthesis overlap-adds into a buffer of its own; divides every T."""

covariance_terms = COVARIANCE_TERMS


def ratio_masks(float[:, :, :, ::1] x, float exponent, int threads):
    """Estimates [stems, frames, F, 2] become ratio masks in place."""
    cdef Py_ssize_t frames = x.shape[1], n = x.shape[2] * x.shape[3], t
    for t in prange(
        frames, nogil=True, num_threads=threads, use_threads_if=threads > 1, schedule="static",
    ):
        cpp_ratio_masks(&x[0, t, 0, 0], frames * n, x.shape[0], n, exponent)


def mean_masks(const float[:, :, :, ::1] masks, float[:, :, ::1] mean):
    """masks [stems, frames, F, 2] -> mean over bins [stems, frames, 2]."""
    cdef Py_ssize_t s, t
    with nogil:
        for s in range(masks.shape[0]):
            for t in range(masks.shape[1]):
                cpp_mean_mask(&masks[s, t, 0, 0], masks.shape[2], &mean[s, t, 0])


def peak_magnitude(const float complex[:, :, ::1] spectrum):
    """max |spectrum|."""
    cdef const float complex* x = &spectrum[0, 0, 0]
    cdef Py_ssize_t i
    cdef double peak = 0.0
    with nogil:
        for i in range(spectrum.shape[0] * spectrum.shape[1] * spectrum.shape[2]):
            peak = fmax(peak, <double>x[i].real * x[i].real + <double>x[i].imag * x[i].imag)
    return sqrt(peak)


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
    cdef WienerInput w = wiener_input(spectrum, magnitudes, eps)
    cdef Py_ssize_t block = 64, f = magnitudes.shape[2], b
    for b in prange(
        (f + block - 1) // block, nogil=True, num_threads=threads, use_threads_if=threads > 1,
        schedule="dynamic",
    ):
        cpp_wiener_accumulate(
            w, frames, b * block, f if (b + 1) * block > f else (b + 1) * block, &sums[0, 0, 0])


def wiener_apply(
    const float complex[:, :, ::1] spectrum, const float[:, :, :, ::1] magnitudes, Py_ssize_t frames,
    double eps, double scale, const double[:, :, ::1] sums, float complex[:, :, :, ::1] out, int threads,
):
    """Filters the first `frames` frames: out [frames, stems, F, 2]."""
    cdef WienerInput w = wiener_input(spectrum, magnitudes, eps)
    cdef Py_ssize_t t
    for t in prange(
        frames, nogil=True, num_threads=threads, use_threads_if=threads > 1, schedule="dynamic",
    ):
        cpp_wiener_apply(w, t, scale, &sums[0, 0, 0], &out[t, 0, 0, 0])


cdef class Stft:
    """A plan: window, FFT and sizes; immutable, shared by threads."""

    cdef CppStft* plan
    cdef readonly Py_ssize_t frame_length, hop, bins

    def __cinit__(
        self, Py_ssize_t frame_length, Py_ssize_t hop, Py_ssize_t fft_length,
        const float[::1] window, float compensation, isa,
    ):
        self.plan = make_stft(isa.encode(), frame_length, hop, fft_length, &window[0], compensation)
        self.frame_length, self.hop, self.bins = frame_length, hop, fft_length // 2 + 1

    def __dealloc__(self):
        del self.plan

    def analyse(
        self, const float[:, ::1] samples, Py_ssize_t frames, float complex[:, :, ::1] spectrum,
        float[:, :, ::1] magnitude, int threads,
    ):
        """samples [>= (frames - 1) * hop + frame_length, 2] -> the first `frames` frames of spectrum and
        magnitude; the frames behind them become zero.
        """
        cdef Py_ssize_t group = FRAMES_PER_GROUP, groups = (frames + group - 1) // group, g
        cdef Py_ssize_t f = magnitude.shape[1], total = spectrum.shape[0]
        for g in prange(
            groups, nogil=True, num_threads=threads, use_threads_if=threads > 1, schedule="dynamic",
        ):
            self.plan.analyse(
                &samples[g * group * self.hop, 0], min(group, frames - g * group),
                &spectrum[g * group, 0, 0], &magnitude[g * group, 0, 0], f)
        if frames < total:
            memset(&spectrum[frames, 0, 0], 0, (total - frames) * self.bins * 2 * sizeof(float complex))
            memset(&magnitude[frames, 0, 0], 0, (total - frames) * f * 2 * sizeof(float))

    def synthesise(
        self, const float complex[:, :, ::1] spectrum, const float[:, :, :, ::1] masks,
        const float[:, :, ::1] extension, const Py_ssize_t[::1] stems, Py_ssize_t frames,
        float[:, :, :, ::1] chunks, int threads,
    ):
        """Masked spectrum -> chunks [stems, chunk, (chunk frames - 1) * hop + frame_length, 2].

        masks [stems of the model, T, F, 2], extension [.., T, 2]; `stems` picks the planes to make.
        Only the first `frames` frames sound.
        """
        cdef Py_ssize_t n_stems = stems.shape[0], n_chunks = chunks.shape[1], task
        for task in prange(
            n_stems * n_chunks, nogil=True, num_threads=threads, use_threads_if=threads > 1,
            schedule="dynamic",
        ):
            self.synthesise_chunk(
                &spectrum[0, 0, 0],
                &masks[stems[task // n_chunks], 0, 0, 0], &extension[stems[task // n_chunks], 0, 0],
                masks.shape[2], frames, task % n_chunks,
                &chunks[task // n_chunks, task % n_chunks, 0, 0], chunks.shape[2])

    def synthesise_plain(
        self, const float complex[:, :, :, ::1] spectra, Py_ssize_t frames, float[:, :, :, ::1] chunks,
        int threads,
    ):
        """Like `synthesise`, of one spectrum per stem [stems, T, bins, 2] and no mask."""
        cdef Py_ssize_t n_chunks = chunks.shape[1], task
        for task in prange(
            spectra.shape[0] * n_chunks, nogil=True, num_threads=threads, use_threads_if=threads > 1,
            schedule="dynamic",
        ):
            self.synthesise_chunk(
                &spectra[task // n_chunks, 0, 0, 0], NULL, NULL, 0, frames, task % n_chunks,
                &chunks[task // n_chunks, task % n_chunks, 0, 0], chunks.shape[2])

    cdef void synthesise_chunk(
        self, const float complex* spectrum, const float* mask, const float* extension, Py_ssize_t f,
        Py_ssize_t frames, Py_ssize_t chunk, float* sum, Py_ssize_t length,
    ) noexcept nogil:
        cdef Py_ssize_t group = FRAMES_PER_GROUP, t = chunk * _CHUNK_FRAMES, end = t + _CHUNK_FRAMES
        if end > frames:
            end = frames
        memset(sum, 0, length * 2 * sizeof(float))
        while t < end:
            self.plan.synthesise(
                spectrum + t * self.bins * 2,
                mask + t * f * 2 if mask != NULL else NULL,
                extension + t * 2 if extension != NULL else NULL,
                f, min(group, end - t), sum + (t - chunk * _CHUNK_FRAMES) * self.hop * 2)
            t += group


def overlap_add(
    const float[:, :, :, ::1] chunks, Py_ssize_t step, float[:, :, ::1] tail, float[:, :, ::1] out,
):
    """Joins consecutive chunks: out [stems, n_chunks * step, 2] = tail + chunks, `step` samples apart;
    tail [stems, length - step, 2] is replaced by what reaches beyond `out`.
    """
    cdef Py_ssize_t s, c, i, n
    cdef Py_ssize_t length = chunks.shape[2], n_chunks = chunks.shape[1], rest = (length - step) * 2
    cdef float* y
    cdef float* end
    cdef const float* x
    with nogil:
        for s in range(chunks.shape[0]):
            end = &out[s, 0, 0] + n_chunks * step * 2
            memset(&out[s, 0, 0], 0, n_chunks * step * 2 * sizeof(float))
            # The tail of the segments before may be longer than this segment.
            y = &out[s, 0, 0]
            n = min(rest, n_chunks * step * 2)
            x = &tail[s, 0, 0]
            for i in range(n):
                y[i] = x[i]
            shift(&tail[s, 0, 0], rest, n_chunks * step * 2)
            for c in range(n_chunks):
                add(&out[s, 0, 0] + c * step * 2, end, &tail[s, 0, 0], &chunks[s, c, 0, 0], length * 2)


cdef inline void shift(float* x, Py_ssize_t n, Py_ssize_t by) noexcept nogil:
    # Drops the first `by` values, zeros behind.
    cdef Py_ssize_t i
    for i in range(n - by):
        x[i] = x[i + by]
    for i in range(max(0, n - by), n):
        x[i] = 0.0


cdef inline void add(float* y, float* end, float* beyond, const float* x, Py_ssize_t n) noexcept nogil:
    # y += x; what falls behind `end` goes to `beyond`.
    cdef Py_ssize_t i, inside = min(n, end - y)
    for i in range(inside):
        y[i] += x[i]
    for i in range(inside, n):
        beyond[i - inside] += x[i]
