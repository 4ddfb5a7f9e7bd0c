"""Declarations of `core/modes`, and names to and from it: any that a file may give."""

from libcpp cimport bool as cbool
from libcpp.optional cimport optional
from libcpp.string cimport string
from libcpp.vector cimport vector

cdef extern from "core/sound/modes.h" namespace "spleeterrt" nogil:
    cdef cppclass ModePlan:
        vector[string] stems
        vector[size_t] networks
        vector[Py_ssize_t] made
        Py_ssize_t rest
        cbool ratio, cascade
        float above, share
    cdef cppclass ModeOptions:
        string mode
        vector[string] wanted
        cbool residual
        double above
        cbool full_band, live
        optional[string] two_stems
    vector[string] mode_names
    vector[string] cpp_model_stems "spleeterrt::model_stems" (const vector[string]& held)
    string cpp_plan_mode "spleeterrt::plan_mode" (
        const ModeOptions& options, const vector[string]& instruments, cbool softmax, ModePlan& plan)


cdef inline bytes name_bytes(name):
    return name.encode("utf-8", "surrogatepass")


cdef inline str name_text(bytes name):
    return name.decode("utf-8", "surrogatepass")


cdef inline ModePlan plan_of(mode, rows) except *:
    # Of a `modes.ModePlan`; rows: where its networks stand.
    cdef ModePlan plan
    for name in mode.stems:
        plan.stems.push_back(name_bytes(name))
    plan.networks, plan.made = rows, mode.made
    plan.rest = -1 if mode.rest is None else mode.stems.index(mode.rest)
    plan.ratio, plan.cascade = mode.ratio, mode.cascade
    plan.above, plan.share = mode.above, mode.share
    return plan
