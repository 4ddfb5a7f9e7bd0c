# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""Audio clients whose callback is C++ (`core/live`): JACK, PortAudio.

Arguments are trusted; the public face is `spleeterrt.realtime.live`. What goes wrong is a RuntimeError with
its reason.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uint32_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

import numpy as np

cdef extern from "core/live/source.h" namespace "spleeterrt" nogil:
    cdef cppclass LiveSource:
        size_t latency

cdef extern from "core/live/callback.h" namespace "spleeterrt" nogil:
    cdef cppclass LiveStats:
        uint64_t callbacks, xruns, missed, silent, clipped
        double worst_seconds
    cdef cppclass LiveCallback:
        size_t stems()
        LiveStats stats()
        void reset_stats()
        float level(size_t i)
    cdef cppclass CppAudioClient "spleeterrt::AudioClient":
        string name() except +
        unsigned sample_rate()
        size_t block()
        cbool realtime()
        int priority()
        double device_latency()
        int device_inputs()
        string ended() except +
        void use(const LiveSource* source)
        void start() except +
        LiveCallback& callback()

cdef extern from "core/live/jack.h" namespace "spleeterrt" nogil:
    cdef cppclass JackPorts:
        string name() except +
        unsigned sample_rate()
        void ask_block(size_t block) except +
        void connect(const string& source, const string& target) except +
        vector[string] hardware(cbool sources) except +
    cdef cppclass JackClient(JackPorts, CppAudioClient):
        JackClient(
            const vector[string]& libraries, const string& name, const vector[string]& stems,
            const vector[string]& inputs, const vector[float]& weights,
        ) except +
        size_t capture_latency()
    cdef cppclass JackTape(JackPorts):
        JackTape(
            const vector[string]& libraries, const string& name, const float* music,
            size_t frames, float* record, size_t record_channels, size_t record_frames,
        ) except +
        void start() except +
        uint32_t begun()
        uint64_t callbacks()
        uint64_t xruns()
        double worst_gap()
        void reset_stats()

cdef extern from "core/live/portaudio.h" namespace "spleeterrt" nogil:
    cdef cppclass PortAudioClient(CppAudioClient):
        PortAudioClient(
            const vector[string]& libraries, const string& input, const string& output, size_t stems,
            size_t stem, unsigned sample_rate, unsigned preferred, size_t block,
            const vector[float]& weights,
        ) except +


cdef vector[string] strings(values):
    cdef vector[string] result
    for value in values:
        result.push_back(value.encode())
    return result


cdef class Client:
    """A client, silent until `start`. `close` may be called twice; other calls raise RuntimeError after it.
    `use`, `start` and `close` are for one thread at a time."""

    cdef CppAudioClient* client
    cdef object engine  # lives as long as the callback may use it

    cdef CppAudioClient* opened(self) except NULL:
        if self.client == NULL:
            raise RuntimeError("the client is closed")
        return self.client

    def __dealloc__(self):
        self.close()

    def close(self):
        client = self.client
        self.client = NULL
        with nogil:
            del client
        self.engine = None

    def use(self, engine):
        """engine: a `stream.Engine`, or None for silence."""
        cdef const LiveSource* source = NULL
        client = self.opened()
        if engine is not None:
            source = <const LiveSource*>PyCapsule_GetPointer(engine.source, "spleeterrt.LiveSource")
        with nogil:
            client.use(source)
        self.engine = engine

    def start(self):
        client = self.opened()
        with nogil:
            client.start()

    @property
    def name(self):
        return self.opened().name().decode(errors="replace")

    @property
    def sample_rate(self):
        return self.opened().sample_rate()

    @property
    def block(self):
        return self.opened().block()

    @property
    def realtime(self):
        return self.opened().realtime()

    @property
    def priority(self):
        return self.opened().priority()

    @property
    def device_latency(self):
        return self.opened().device_latency()

    @property
    def device_inputs(self):
        return self.opened().device_inputs()

    @property
    def ended(self):
        return self.opened().ended().decode(errors="replace")

    def stats(self):
        cdef LiveStats s = self.opened().callback().stats()
        return {
            "callbacks": s.callbacks, "xruns": s.xruns, "missed": s.missed, "silent": s.silent,
            "clipped": s.clipped,
            "worst_callback_seconds": s.worst_seconds,
        }

    def reset_stats(self):
        self.opened().callback().reset_stats()

    def levels(self):
        """Peaks of the stems, the input, the mix."""
        cdef LiveCallback* callback = &self.opened().callback()
        return [callback.level(i) for i in range(callback.stems() + 2)]


cdef class Jack(Client):
    """weights [channels * 2]: of each input port, left and right; empty: two ports as they are."""

    def __cinit__(self, libraries, str name, stems, inputs=("in_left", "in_right"), weights=()):
        cdef vector[string] names = strings(libraries), ports = strings(stems)
        cdef vector[string] in_ports = strings(inputs)
        cdef vector[float] mix = weights
        cdef string client_name = name.encode()
        with nogil:
            self.client = new JackClient(names, client_name, ports, in_ports, mix)

    cdef JackClient* jack(self) except NULL:
        return <JackClient*>self.opened()

    @property
    def capture_latency(self):
        return self.jack().capture_latency()

    def connect(self, str source, str target):
        self.jack().connect(source.encode(), target.encode())

    def hardware(self, bint sources):
        return [name.decode(errors="replace") for name in self.jack().hardware(sources)]


cdef class PortAudio(Client):
    def __cinit__(
        self, libraries, str input, str output, size_t stems, size_t stem, unsigned sample_rate,
        unsigned preferred, size_t block, weights=(),
    ):
        cdef vector[float] mix = weights
        cdef vector[string] names = strings(libraries)
        cdef string source = input.encode(), target = output.encode()
        with nogil:
            self.client = new PortAudioClient(
                names, source, target, stems, stem, sample_rate, preferred, block, mix
            )


cdef class Tape:
    """A JACK client that plays a loop, float32 [n, 2] or None, and records `channels` ports for `samples`.

    For tests and benchmarks.
    """

    cdef JackTape* client
    cdef object music
    cdef readonly object record  # [samples, channels]; sample 0 at the server's time `begun`

    def __cinit__(self, libraries, str name, music=None, Py_ssize_t channels=0, Py_ssize_t samples=0):
        cdef vector[string] names = strings(libraries)
        cdef string client_name = name.encode()
        cdef const float[:, ::1] played
        cdef float[:, ::1] record
        cdef const float* from_ = NULL
        cdef float* to = NULL
        cdef size_t frames = 0
        if music is not None:
            self.music = np.array(music, np.float32, order="C")
            played = self.music
            frames, from_ = played.shape[0], &played[0, 0]
        self.record = np.full((samples, channels), 0, np.float32)
        if samples and channels:
            record = self.record
            to = &record[0, 0]
        with nogil:
            self.client = new JackTape(names, client_name, from_, frames, to, channels, samples)

    cdef JackTape* opened(self) except NULL:
        if self.client == NULL:
            raise RuntimeError("the client is closed")
        return self.client

    def __dealloc__(self):
        self.close()

    def close(self):
        cdef JackTape* client = self.client
        self.client = NULL
        with nogil:
            del client

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def start(self):
        client = self.opened()
        with nogil:
            client.start()

    @property
    def name(self):
        return self.opened().name().decode()

    @property
    def sample_rate(self):
        return self.opened().sample_rate()

    @property
    def begun(self):
        return self.opened().begun()

    def connect(self, str source, str target):
        self.opened().connect(source.encode(), target.encode())

    def ask_block(self, size_t block):
        client = self.opened()
        with nogil:
            client.ask_block(block)

    def stats(self):
        return {
            "callbacks": self.opened().callbacks(), "xruns": self.opened().xruns(),
            "worst_gap": self.opened().worst_gap(),
        }

    def reset_stats(self):
        self.opened().reset_stats()
