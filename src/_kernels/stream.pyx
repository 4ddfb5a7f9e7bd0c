# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""The real-time engine (`core/stream/engine.h`) behind numpy arrays.

Arguments are trusted; the public, validating face is `spleeterrt.realtime.stream`.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int64_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from _kernels.modes cimport ModePlan, plan_of
from _kernels cimport network as net
from _kernels.network_set cimport NetworkSet, set_of

cdef extern from *:
    """
    #if defined(_WIN32)
    #include <process.h>
    static int process_number(void) { return _getpid(); }
    #else
    #include <unistd.h>
    static int process_number(void) { return (int)getpid(); }
    #endif
    """
    int process_number() nogil

cdef extern from "core/network/model_config.h" namespace "spleeterrt::ModelFileConfig" nogil:
    cdef enum class MaskExtension:
        zeros, average

cdef extern from "core/stream/engine.h" namespace "spleeterrt" nogil:
    cdef cppclass StreamRequest:
        pass
    cdef cppclass StreamOption:
        const char* name
        const char* kind_name
        cbool native
        double least, most
        const char* unit
        const char* what
        double get(const StreamRequest&)
        void set(StreamRequest&, double)
    const vector[StreamOption]& stream_option_list()
    cdef cppclass StreamOptions:
        const char* isa
    cdef cppclass StreamField:
        const char* name
        double get(const StreamOptions&)
        void set(StreamOptions&, double)
    const vector[StreamField]& stream_fields()
    cdef cppclass ModelFileConfig:
        vector[string] instruments
        int sample_rate, frame_length, frame_step, F
        double separation_exponent
        MaskExtension mask_extension
    string cpp_resolve_stream "spleeterrt::resolve_stream" (
        const StreamRequest& request, const ModelFileConfig& config, const ModePlan& mode,
        StreamOptions& options)
    cdef cppclass StreamShape:
        size_t latency
    StreamShape stream_shape(const StreamOptions& options)
    net.LayerTable cpp_stream_table "spleeterrt::stream_table" (
        const net.NetworkConfig& config, const net.Plan& plan, const ModePlan& mode,
        const StreamOptions& options) except +
    cdef cppclass StreamStats:
        uint64_t runs, underruns, dropped, covered_frames, repaired
        double load, run_seconds, worst_run_seconds, process_seconds, worst_process_seconds, process_load
        cbool priority_refused
    cdef cppclass StreamInput:
        const float* channel[2]
        Py_ssize_t stride
    cdef cppclass StreamOutput:
        float* channel[2]
        Py_ssize_t stride
    cdef cppclass StreamEngine:
        StreamEngine(const NetworkSet& networks, const ModePlan& mode, const StreamOptions& options) except +
        size_t latency()
        size_t largest_block()
        cbool block_is_fixed()
        size_t threads()
        void process(
            const StreamInput& input, const StreamOutput* outs, const StreamOutput& mix, size_t count)
        void flush(const StreamOutput* outs, const StreamOutput& mix)
        void reset(int64_t position)
        size_t settling()
        void set_realtime(int realtime)
        void set_gain(size_t stem, float gain)
        StreamStats stats()
        void reset_stats()
        void pause(cbool stop)
        cbool idle()

cdef extern from "core/live/source.h" namespace "spleeterrt" nogil:
    cdef cppclass LiveSource:
        pass
    LiveSource live_source(StreamEngine* engine)

cdef extern from "core/stream/synthesis_windows.h" namespace "spleeterrt" nogil:
    cdef cppclass Windows:
        vector[float] heard, analysis, synthesis
    Windows cpp_stream_windows "spleeterrt::stream_windows" (
        size_t frame_length, size_t hop, size_t synthesis)


def stream_windows(size_t frame_length, size_t hop, size_t synthesis):
    """(heard, analysis, synthesis): lists of [frame_length] floats."""
    cdef Windows windows = cpp_stream_windows(frame_length, hop, synthesis)
    return windows.heard, windows.analysis, windows.synthesis


cdef options_list():
    cdef StreamRequest usual
    cdef StreamOption option
    cdef size_t index
    rows = []
    for index in range(stream_option_list().size()):
        option = stream_option_list()[index]
        kind = option.kind_name.decode()
        rows.append({
            "name": option.name.decode(), "kind": kind, "native": option.native,
            "usual": None if kind == "text" else option.get(usual), "least": option.least,
            "most": option.most, "unit": option.unit.decode(), "what": option.what.decode(),
        })
    return tuple(rows)


OPTIONS = options_list()
"""The options of a stream, in order: the lines of `core/stream/option_list.h` as mappings."""


def resolve(asked, config, mode):
    """(why not or "", the engine's options by name, without `isa`).

    asked: numbers by the names of `OPTIONS`, texts left out; config: a `ModelConfig`; mode: a
    `modes.ModePlan`.
    """
    cdef StreamRequest request
    cdef StreamOptions options
    cdef ModelFileConfig facts
    cdef ModePlan plan = plan_of(mode, range(len(mode.networks)))
    cdef size_t index
    for index in range(stream_option_list().size()):
        name = stream_option_list()[index].name.decode()
        if name in asked:
            stream_option_list()[index].set(request, asked[name])
    facts.sample_rate, facts.F = config.sample_rate, config.F
    facts.frame_length, facts.frame_step = config.frame_length, config.frame_step
    facts.separation_exponent = config.separation_exponent
    facts.mask_extension = (
        MaskExtension.average if config.mask_extension == "average" else MaskExtension.zeros)
    problem = cpp_resolve_stream(request, facts, plan, options).decode()
    values = {}
    for index in range(stream_fields().size()):
        values[stream_fields()[index].name.decode()] = stream_fields()[index].get(options)
    return problem, {name: int(value) if value == int(value) else value for name, value in values.items()}


cdef StreamOptions options_of(values, bytes isa) except *:
    cdef StreamOptions options
    cdef size_t index
    for index in range(stream_fields().size()):
        stream_fields()[index].set(options, values[stream_fields()[index].name.decode()])
    options.isa = isa
    return options


def stream_latency(values):
    """Samples at the host's rate, of options as `resolve` gives them."""
    cdef bytes isa = values["isa"].encode()
    return stream_shape(options_of(values, isa)).latency


def stream_table(network, plan, mode, values):
    """`nn.lower` for a stream's networks, and how many encoders roll along. values: the options."""
    cdef bytes isa = values["isa"].encode()
    cdef net.LayerTable table = cpp_stream_table(
        net.config_of(network), net.plan_of(plan), plan_of(mode, range(len(mode.networks))),
        options_of(values, isa))
    return net.bytes_of(table), table.workspace_floats, table.rolling


cdef class Engine:
    """networks: a `model.Networks`, those of the mode; mode: a `modes.ModePlan`; values: the options."""

    cdef StreamEngine* engine
    cdef LiveSource live
    cdef object keep  # what the engine reads
    cdef vector[const float*] weights
    cdef vector[StreamOutput] outs
    cdef readonly Py_ssize_t latency, largest_block, threads
    cdef readonly bint block_is_fixed
    cdef bint busy  # only looked at with the GIL
    cdef int process_id

    def __cinit__(self, networks, mode, values):
        cdef bytes stft_isa = values["isa"].encode()
        cdef NetworkSet known = set_of(networks, self.weights)
        self.keep = (networks, stft_isa)
        self.process_id = process_number()
        self.outs.resize(len(mode.stems))
        self.engine = new StreamEngine(known, plan_of(mode, networks.rows), options_of(values, stft_isa))
        self.live = live_source(self.engine)
        self.latency = self.engine.latency()
        self.largest_block = self.engine.largest_block()
        self.block_is_fixed = self.engine.block_is_fixed()
        self.threads = self.engine.threads()  # fewer than asked for where the system gives no more

    def __dealloc__(self):
        cdef StreamEngine* engine = self.engine
        self.engine = NULL
        if self.process_id != process_number():
            return  # the threads did not come along with a fork, and would be waited for
        with nogil:
            del engine

    @property
    def forked(self):
        return self.process_id != process_number()

    cdef int enter(self) except -1:
        if self.busy:
            raise RuntimeError("another thread is inside this stream")
        self.busy = True
        return 0

    @property
    def source(self):
        """For clients whose callback is not Python (`live.pyx`); valid while this object lives."""
        return PyCapsule_New(&self.live, "spleeterrt.LiveSource", NULL)

    cdef StreamOutput collect(self, outs, mix) except *:
        cdef size_t stem = 0
        for out in outs:
            self.outs[stem] = self.output(out)
            stem += 1
        return self.output(mix)

    cdef StreamOutput output(self, out) except *:
        cdef float[:, ::1] array
        cdef StreamOutput o
        o.stride = 2
        o.channel[0] = o.channel[1] = NULL
        if out is not None:
            array = out
            if array.shape[0]:
                o.channel[0], o.channel[1] = &array[0, 0], &array[0, 1]
        return o

    def process(self, const float[:, ::1] block, outs, mix):
        """block [n, 2] -> outs: one [n, 2] array, or None, per stem; mix: [n, 2] or None."""
        cdef StreamInput input
        cdef StreamOutput total
        cdef size_t count = block.shape[0]
        if count == 0:
            return
        self.enter()
        try:
            total = self.collect(outs, mix)
        except BaseException:
            self.busy = False
            raise
        input.channel[0], input.channel[1], input.stride = &block[0, 0], &block[0, 1], 2
        with nogil:
            self.engine.process(input, self.outs.data(), total, count)
        self.busy = False

    def flush(self, outs, mix):
        """outs, mix: as of `process`, [latency, 2]."""
        cdef StreamOutput total
        self.enter()
        try:
            total = self.collect(outs, mix)
            with nogil:
                self.engine.flush(self.outs.data(), total)
        finally:
            self.busy = False

    def reset(self, int64_t position=0):
        self.enter()
        with nogil:
            self.engine.reset(position)
        self.busy = False

    def settling(self):
        return self.engine.settling()

    def set_realtime(self, int realtime):
        """0: waits, 1: never, 2: while the caller is ahead of the clock."""
        self.engine.set_realtime(realtime)

    def set_gain(self, size_t stem, float gain):
        self.engine.set_gain(stem, gain)

    def stats(self):
        cdef StreamStats s = self.engine.stats()
        return {
            "runs": s.runs, "underruns": s.underruns, "dropped": s.dropped,
            "covered_frames": s.covered_frames, "repaired": s.repaired,
            "load": s.load, "run_seconds": s.run_seconds,
            "worst_run_seconds": s.worst_run_seconds, "process_seconds": s.process_seconds,
            "worst_process_seconds": s.worst_process_seconds, "process_load": s.process_load,
            "priority_refused": s.priority_refused,
        }

    def reset_stats(self):
        self.engine.reset_stats()

    def pause(self, bint stop):
        """For tests: the workers stand still."""
        self.engine.pause(stop)

    def idle(self):
        """For tests: whether the workers have nothing to do."""
        return self.engine.idle()
