"""Shape arithmetic of convolutions, integers only.

TensorFlow's SAME rule (tensorflow.org, `tf.nn.convolution`): out = ceil(size / stride), the
padding that this needs is split in two halves, the odd one after. A transposed convolution
with SAME padding gives size * stride and crops the same two halves.
"""


cdef struct ConvShape:
    # A convolution from an image [h, w, c] to a grid [out_h, out_w]; a transposed
    # convolution is described by the convolution of which it is the adjoint.
    Py_ssize_t h, w, c
    Py_ssize_t out_h, out_w
    Py_ssize_t kernel_h, kernel_w
    Py_ssize_t stride_h, stride_w
    Py_ssize_t dilation_h, dilation_w
    Py_ssize_t pad_top, pad_left


cdef inline Py_ssize_t extent(Py_ssize_t kernel, Py_ssize_t dilation) noexcept nogil:
    # Input samples that a dilated kernel spans.
    return dilation * (kernel - 1) + 1


cdef inline Py_ssize_t conv_out_same(Py_ssize_t size, Py_ssize_t stride) noexcept nogil:
    return (size + stride - 1) // stride


cdef inline Py_ssize_t conv_out_padded(
    Py_ssize_t size, Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t pads, Py_ssize_t dilation
) noexcept nogil:
    # pads: before + after. Not positive where the kernel does not fit.
    cdef Py_ssize_t room = size + pads - extent(kernel, dilation)
    return room // stride + 1 if room >= 0 else 0


cdef inline Py_ssize_t same_padding(
    Py_ssize_t size, Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t dilation
) noexcept nogil:
    # TF SAME: before + after; before is half of it, rounded down.
    cdef Py_ssize_t need = (
        (conv_out_same(size, stride) - 1) * stride + extent(kernel, dilation) - size)
    return need if need > 0 else 0


cdef inline Py_ssize_t transpconv_out_same(Py_ssize_t size, Py_ssize_t stride) noexcept nogil:
    return size * stride


cdef inline Py_ssize_t transpconv_out_padded(
    Py_ssize_t size, Py_ssize_t kernel, Py_ssize_t stride, Py_ssize_t pads, Py_ssize_t output_padding
) noexcept nogil:
    return (size - 1) * stride + kernel - pads + output_padding
