"""What an engine gets of a model: `core/network/network_set.h` of `spleeterrt.network.model.Networks`."""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from _kernels.executor cimport (
    default_kernels, fast_kernels, fast_kernels_for, network_layer, reference_layer, rows_of)

cdef extern from "core/network/network_set.h" namespace "spleeterrt" nogil:
    cdef cppclass NetworkSet:
        const fast_kernels* kernels
        const network_layer* layers
        size_t n_layers, workspace_floats
        int rolling
        const float** weights
        cbool softmax
        reference_layer reference


cdef inline NetworkSet set_of(networks, vector[const float*]& weights) except *:
    # The caller keeps `networks`, and `weights`, which are put there.
    cdef NetworkSet made
    cdef const float[:, ::1] arenas = networks.weights
    cdef Py_ssize_t row
    for row in networks.rows:
        weights.push_back(&arenas[row, 0])
    made.kernels = &default_kernels() if networks.isa is None else fast_kernels_for(networks.isa.encode())
    made.layers, made.n_layers = rows_of(networks.table), len(networks.table)
    made.workspace_floats = networks.workspace_floats
    made.rolling = networks.rolling
    made.weights, made.softmax = weights.data(), networks.softmax
    made.reference = <reference_layer>PyCapsule_GetPointer(networks.reference, "reference_layer")
    return made
