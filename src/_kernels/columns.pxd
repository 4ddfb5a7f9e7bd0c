"""im2col and col2im, channels last, in ranges of grid pixels so that a caller can work in chunks.

The columns of one grid pixel are ordered [kernel_h, kernel_w, c], as TensorFlow's HWIO
kernels are; with dilation 1 one kernel row is contiguous in the image, hence the memcpy.
"""

from libc.string cimport memcpy, memset

from _kernels.shapes cimport ConvShape


cdef inline void im2col(
    const float* x, const ConvShape* s, Py_ssize_t first, Py_ssize_t last, float* cols
) noexcept nogil:
    # image [h, w, c] -> cols [last - first, kernel_h * kernel_w * c], zeros outside the image
    cdef Py_ssize_t row = s.kernel_w * s.c          # one kernel row of columns
    cdef Py_ssize_t _, oy, ox, iy, ix, ky, kx, begin, end
    oy = first // s.out_w
    ox = first - oy * s.out_w
    for _ in range(first, last):
        ix = ox * s.stride_w - s.pad_left
        for ky in range(s.kernel_h):
            iy = oy * s.stride_h - s.pad_top + ky * s.dilation_h
            if iy < 0 or iy >= s.h:
                memset(cols, 0, row * sizeof(float))
            elif s.dilation_w == 1:
                begin = -ix if ix < 0 else 0
                end = s.w - ix if s.w - ix < s.kernel_w else s.kernel_w
                if begin > 0 or end < s.kernel_w:
                    memset(cols, 0, row * sizeof(float))
                if end > begin:
                    memcpy(cols + begin * s.c, x + (iy * s.w + ix + begin) * s.c,
                           (end - begin) * s.c * sizeof(float))
            elif s.c == 1:
                for kx in range(s.kernel_w):
                    begin = ix + kx * s.dilation_w
                    cols[kx] = x[iy * s.w + begin] if 0 <= begin < s.w else 0.0
            else:
                for kx in range(s.kernel_w):
                    begin = ix + kx * s.dilation_w
                    if begin < 0 or begin >= s.w:
                        memset(cols + kx * s.c, 0, s.c * sizeof(float))
                    else:
                        memcpy(cols + kx * s.c, x + (iy * s.w + begin) * s.c, s.c * sizeof(float))
            cols += row
        ox += 1
        if ox == s.out_w:
            ox = 0
            oy += 1


cdef inline void col2im(
    const float* cols, const ConvShape* s, Py_ssize_t first, Py_ssize_t last, float* x
) noexcept nogil:
    # cols [last - first, kernel_h * kernel_w * c] are added into the image x [h, w, c]:
    # the adjoint of im2col. Grid pixels in order, so that the sums do not depend on the chunks.
    cdef Py_ssize_t row = s.kernel_w * s.c
    cdef Py_ssize_t _, oy, ox, iy, ix, ky, kx, begin, end, i
    cdef float* target
    oy = first // s.out_w
    ox = first - oy * s.out_w
    for _ in range(first, last):
        ix = ox * s.stride_w - s.pad_left
        for ky in range(s.kernel_h):
            iy = oy * s.stride_h - s.pad_top + ky * s.dilation_h
            if 0 <= iy < s.h:
                if s.dilation_w == 1:
                    begin = -ix if ix < 0 else 0
                    end = s.w - ix if s.w - ix < s.kernel_w else s.kernel_w
                    target = x + (iy * s.w + ix) * s.c
                    for i in range(begin * s.c, end * s.c):
                        target[i] += cols[i]
                else:
                    for kx in range(s.kernel_w):
                        begin = ix + kx * s.dilation_w
                        if 0 <= begin < s.w:
                            target = x + (iy * s.w + begin) * s.c
                            for i in range(s.c):
                                target[i] += cols[kx * s.c + i]
            cols += row
        ox += 1
        if ox == s.out_w:
            ox = 0
            oy += 1
