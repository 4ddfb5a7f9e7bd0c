# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""The offline engine (`core/offline/separation.h`) behind numpy arrays, its tasks in several threads.

Arguments are trusted; the faces are `spleeterrt.pipeline` and `spleeterrt.Separator`.
"""

from libc.stdint cimport uint64_t
from libc.string cimport memcpy
from libcpp cimport bool as cbool
from libcpp.string cimport string
from libcpp.vector cimport vector

from _kernels.modes cimport ModePlan, plan_of
from _kernels.network_set cimport NetworkSet, set_of
from _kernels.executor cimport fast_team
from _kernels.tasks cimport (
    NetworkTaskRunner, TaskRunner, for_each, for_each_network, network_task_runner, task_runner)

cdef extern from "core/offline/separation.h" namespace "spleeterrt" nogil:
    cdef cppclass SeparationOptions:
        size_t frame_length, frame_step, fft_length, frames, bins
        float exponent
        cbool average
        size_t segments, piece_frames
        cbool wiener
        const char* isa
    string check_separation(const SeparationOptions& options, const ModePlan& mode)
    size_t cpp_segments_at_a_time "spleeterrt::segments_at_a_time" (size_t networks, size_t threads)
    cdef enum class Want:
        samples
        tasks
        outputs
        again
        nothing
    cdef cppclass CppSeparation "spleeterrt::Separation":
        CppSeparation(
            const NetworkSet& networks, const ModePlan& mode, const SeparationOptions& options) except +
        Want wants()
        size_t push(const float* samples, size_t count)
        void finish()
        size_t tasks()
        cbool networks_run()
        size_t workspace_floats()
        void run(size_t task, float* workspace)
        void run_network(size_t task, float* workspace, fast_team* team)
        void complete()
        uint64_t position()
        size_t samples()
        const float* mix()
        void place(float** outs)
        void again()
        uint64_t windows_heard()
        uint64_t samples_heard()


cdef TaskRunner runner = task_runner()
cdef NetworkTaskRunner network_runner = network_task_runner()

cdef struct EngineTasks:
    CppSeparation* engine
    float** workspaces  # of each thread


cdef void run_engine_task(const void* job, Py_ssize_t task, Py_ssize_t thread) noexcept nogil:
    cdef const EngineTasks* tasks = <const EngineTasks*>job
    tasks.engine.run(task, tasks.workspaces[thread])


cdef void run_engine_network(
    const void* job, Py_ssize_t task, Py_ssize_t thread, fast_team* team
) noexcept nogil:
    cdef const EngineTasks* tasks = <const EngineTasks*>job
    tasks.engine.run_network(task, tasks.workspaces[thread], team)


def segments_at_a_time(size_t networks, size_t threads):
    """The fewest segments whose networks keep all threads busy to the end."""
    return cpp_segments_at_a_time(networks, threads)


cdef SeparationOptions options_of(values, bytes isa) except *:
    cdef SeparationOptions o
    o.frame_length, o.frame_step = values["frame_length"], values["frame_step"]
    o.fft_length = values["fft_length"]
    o.frames, o.bins = values["frames"], values["bins"]
    o.exponent, o.average = values["exponent"], values["average"]
    o.segments, o.piece_frames = values["segments"], values["piece_frames"]
    o.wiener = values["wiener"]
    o.isa = isa
    return o


cdef class Separation:
    """networks: a `model.Networks`, those of the mode; mode: a `modes.ModePlan`; values: the options (a
    mapping with the fields of `SeparationOptions`).

    What each call is for, and when, says the engine's header. One thread at a time calls them.
    """

    cdef CppSeparation* engine
    cdef object keep  # what the engine reads
    cdef list outs  # what it writes
    cdef vector[const float*] weights

    def __cinit__(self, networks, mode, values):
        cdef ModePlan plan = plan_of(mode, networks.rows)
        cdef bytes stft_isa = values["isa"].encode()
        cdef SeparationOptions options = options_of(values, stft_isa)
        cdef bytes problem = check_separation(options, plan)
        if problem:
            raise ValueError(problem.decode())
        self.keep = (networks, stft_isa)
        self.engine = new CppSeparation(set_of(networks, self.weights), plan, options)

    def __dealloc__(self):
        del self.engine

    @property
    def wants(self):
        """"samples", "tasks", "outputs", "again" or "nothing"."""
        cdef Want want = self.engine.wants()
        if want == Want.tasks:
            return "tasks"
        if want == Want.samples:
            return "samples"
        if want == Want.outputs:
            return "outputs"
        return "again" if want == Want.again else "nothing"

    def push(self, const float[:, ::1] block, Py_ssize_t first):
        """The samples block[first:], [n, 2], of which there is at least one; how many were taken."""
        cdef size_t taken
        with nogil:
            taken = self.engine.push(&block[first, 0], block.shape[0] - first)
        return taken

    def finish(self):
        self.engine.finish()

    def again(self):
        self.engine.again()

    @property
    def tasks(self):
        return self.engine.tasks()

    @property
    def networks_run(self):
        return self.engine.networks_run()

    @property
    def workspace_floats(self):
        return self.engine.workspace_floats()

    def run(self, float[:, ::1] workspaces):
        """All tasks, and what is to be done after them, without the GIL.

        workspaces [threads, >= workspace_floats], rows at 64-byte boundaries: one per thread. Tasks are
        independent, and those that are networks are shared in parts; all run the same operations on any
        thread, so the result does not depend on their number.
        """
        cdef EngineTasks job
        cdef vector[float*] rows
        cdef Py_ssize_t thread
        for thread in range(workspaces.shape[0]):
            rows.push_back(&workspaces[thread, 0])
        job.engine, job.workspaces = self.engine, rows.data()
        with nogil:
            if job.engine.networks_run():
                for_each_network(
                    network_runner, run_engine_network, &job, job.engine.tasks(), workspaces.shape[0],
                    rows.data(), workspaces.shape[1])
            else:
                for_each(runner, run_engine_task, &job, job.engine.tasks(), workspaces.shape[0])
            job.engine.complete()
        self.outs = None

    @property
    def position(self):
        """Of the piece whose sound is wanted, in the signal."""
        return self.engine.position()

    @property
    def samples(self):
        """Of that piece."""
        return self.engine.samples()

    def place(self, list outs):
        """float32 [samples, 2] of each stem of the mode; None for the rest where it is not wanted."""
        cdef vector[float*] pointers
        cdef float[:, ::1] array
        for out in outs:
            if out is None:
                pointers.push_back(NULL)
            else:
                array = out
                pointers.push_back(&array[0, 0])
        self.outs = outs
        self.engine.place(pointers.data())

    def mix(self, float[:, ::1] out):
        """Copies the signal of that piece, [samples, 2]."""
        memcpy(&out[0, 0], self.engine.mix(), self.engine.samples() * 2 * sizeof(float))

    @property
    def windows_heard(self):
        return self.engine.windows_heard()

    @property
    def samples_heard(self):
        return self.engine.samples_heard()
