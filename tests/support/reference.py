"""The mathematics in plain numpy float64, independent of the package, slow and easy to check by eye.

Images are [height, width, channels], padding is ((top, bottom), (left, right)) unless it says
otherwise, kernels have TensorFlow's layouts: HWIO, and [height, width, out, in] transposed.
"""

from __future__ import annotations

import numpy as np

DEPTH = 6  # layers of the U-Net's encoder, and of its decoder
BATCH_NORM_EPSILON = 1e-3
MASK_EPSILON = 1e-10

# --- shapes: by counting ------------------------------------------------------------


def conv_out_dim(size, kernel, stride, before, after, dilation):
    """How many places of a dilated kernel there are in the padded input."""
    reach = dilation * (kernel - 1)
    return sum(
        1 for start in range(0, size + before + after, stride) if start + reach < size + before + after
    )


def conv_out_same(size, stride):
    """TensorFlow's SAME: one output per `stride` inputs begun."""
    return len(range(0, size, stride))


def same_padding(size, kernel, stride, dilation):
    """TensorFlow's SAME: the fewest zeros that make `conv_out_same` outputs; the odd one comes after."""
    total = 0
    while conv_out_dim(size, kernel, stride, 0, total, dilation) < conv_out_same(size, stride):
        total += 1
    return total // 2, total - total // 2


def transpconv_out_dim(size, kernel, stride, before, after, output_padding):
    """The outputs that are touched, and `output_padding` more, less what is cropped."""
    touched = {i * stride + k for i in range(size) for k in range(kernel)}
    return max(touched) + 1 + output_padding - before - after


def transpconv_out_same(size, stride):
    """TensorFlow's SAME: the longest input for which a convolution gives `size` outputs."""
    return max(n for n in range(1, size * stride + stride + 1) if conv_out_same(n, stride) == size)


# --- convolutions -----------------------------------------------------------------


def im2col(x, kernel, stride, padding, dilation):
    """x [H, W, C] -> [OH * OW, KH * KW * C], pixel by pixel."""
    h, w, c = x.shape
    (top, bottom), (left, right) = padding
    out_h = conv_out_dim(h, kernel[0], stride[0], top, bottom, dilation[0])
    out_w = conv_out_dim(w, kernel[1], stride[1], left, right, dilation[1])
    cols = np.zeros((out_h, out_w, kernel[0], kernel[1], c))
    for oy, ox, ky, kx in np.ndindex(out_h, out_w, *kernel):
        iy = oy * stride[0] + ky * dilation[0] - top
        ix = ox * stride[1] + kx * dilation[1] - left
        if 0 <= iy < h and 0 <= ix < w:
            cols[oy, ox, ky, kx] = x[iy, ix]
    return cols.reshape(out_h * out_w, -1)


def col2im(cols, shape, kernel, stride, padding, dilation):
    """[OH * OW, KH * KW * C] -> [H, W, C]: every column is added where `im2col` takes it from."""
    h, w, c = shape
    (top, bottom), (left, right) = padding
    out_h = conv_out_dim(h, kernel[0], stride[0], top, bottom, dilation[0])
    out_w = conv_out_dim(w, kernel[1], stride[1], left, right, dilation[1])
    cols = cols.reshape(out_h, out_w, kernel[0], kernel[1], c)
    x = np.zeros(shape)
    for oy, ox, ky, kx in np.ndindex(out_h, out_w, *kernel):
        iy = oy * stride[0] + ky * dilation[0] - top
        ix = ox * stride[1] + kx * dilation[1] - left
        if 0 <= iy < h and 0 <= ix < w:
            x[iy, ix] += cols[oy, ox, ky, kx]
    return x


def conv2d(x, weights, stride, padding, dilation):
    """x [H, W, C], weights [KH, KW, C, OC] -> [OH, OW, OC]: tap by tap over the padded image."""
    x, weights = np.asarray(x, np.float64), np.asarray(weights, np.float64)
    kh, kw, _, out = weights.shape
    padded = np.pad(x, (*padding, (0, 0)))
    out_h = conv_out_dim(x.shape[0], kh, stride[0], *padding[0], dilation[0])
    out_w = conv_out_dim(x.shape[1], kw, stride[1], *padding[1], dilation[1])
    y = np.zeros((out_h, out_w, out))
    for ky, kx in np.ndindex(kh, kw):
        top, left = ky * dilation[0], kx * dilation[1]
        rows = slice(top, top + (out_h - 1) * stride[0] + 1, stride[0])
        columns = slice(left, left + (out_w - 1) * stride[1] + 1, stride[1])
        y += padded[rows, columns] @ weights[ky, kx]
    return y


def conv2d_transpose(x, weights, stride, before, size):
    """x [H, W, C], weights [KH, KW, OC, C] -> [*size, OC]: every pixel paints a kernel on a canvas, of which
    `size` is kept behind the `before` = (top, left) first rows and columns.
    """
    x, weights = np.asarray(x, np.float64), np.asarray(weights, np.float64)
    h, w, _ = x.shape
    kh, kw, out, _ = weights.shape
    canvas = np.zeros((h * stride[0] + kh + size[0], w * stride[1] + kw + size[1], out))
    for ky, kx in np.ndindex(kh, kw):
        rows = slice(ky, ky + (h - 1) * stride[0] + 1, stride[0])
        columns = slice(kx, kx + (w - 1) * stride[1] + 1, stride[1])
        canvas[rows, columns] += x @ weights[ky, kx].T
    return canvas[before[0] :, before[1] :][: size[0], : size[1]]


def conv2d_same(x, weights, stride=1, dilation=1):
    padding = [
        same_padding(n, k, stride, dilation) for n, k in zip(x.shape[:2], weights.shape[:2], strict=True)
    ]
    return conv2d(x, weights, (stride, stride), padding, (dilation, dilation))


def conv2d_transpose_same(x, weights, stride):
    """The crop is the padding of the convolution that goes the other way."""
    size = [n * stride for n in x.shape[:2]]
    before = [same_padding(n, k, stride, 1)[0] for n, k in zip(size, weights.shape[:2], strict=True)]
    return conv2d_transpose(x, weights, (stride, stride), before, size)


# --- element-wise -------------------------------------------------------------------


def sigmoid(x):
    x = np.asarray(x, np.float64)
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def activate(x, name):
    x = np.asarray(x, np.float64)
    if name == "LeakyReLU":
        return np.where(x > 0, x, 0.2 * x)
    if name == "ReLU":
        return np.where(x > 0, x, 0.0)
    if name == "ELU":
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))
    if name == "sigmoid":
        return sigmoid(x)
    assert name is None
    return x


def batch_norm(x, gamma, beta, mean, variance):
    return gamma * (x - mean) / np.sqrt(variance + BATCH_NORM_EPSILON) + beta


# --- the network ----------------------------------------------------------------------


def numbered(name, k):
    """TensorFlow's variable names: conv2d, conv2d_1, conv2d_2, ..."""
    return name if k == 0 else f"{name}_{k}"


def random_stem(filters, rng):
    """Tensors of one stem as a checkpoint has them, scaled so that the activations keep their size."""
    tensors = {}

    def normal(shape, deviation):
        return rng.normal(0, deviation, shape).astype(np.float32)

    def norm(k, channels):
        name = numbered("batch_normalization", k)
        tensors[f"{name}/gamma"] = rng.uniform(0.5, 1.5, channels).astype(np.float32)
        tensors[f"{name}/beta"] = normal(channels, 0.3)
        tensors[f"{name}/moving_mean"] = normal(channels, 0.3)
        tensors[f"{name}/moving_variance"] = rng.uniform(0.5, 1.5, channels).astype(np.float32)

    widths = (2, *filters)
    for k in range(DEPTH):
        into, out = widths[k], widths[k + 1]
        tensors[f"{numbered('conv2d', k)}/kernel"] = normal((5, 5, into, out), (25 * into / 2) ** -0.5)
        tensors[f"{numbered('conv2d', k)}/bias"] = normal(out, 0.3)
        norm(k, out)
    into = widths[DEPTH]
    for k in range(DEPTH):
        out = widths[DEPTH - 1 - k] if k < DEPTH - 1 else 1
        name = numbered("conv2d_transpose", k)
        tensors[f"{name}/kernel"] = normal((5, 5, out, into), (25 / 4 * into / 2) ** -0.5)
        tensors[f"{name}/bias"] = normal(out, 0.3)
        norm(DEPTH + k, out)
        into = 2 * out
    tensors[f"{numbered('conv2d', DEPTH)}/kernel"] = normal((4, 4, 1, 2), 0.3)
    tensors[f"{numbered('conv2d', DEPTH)}/bias"] = normal(2, 0.3)
    return tensors


def random_weights(instruments, filters, seed=0):
    rng = np.random.default_rng(seed)
    return {name: random_stem(filters, rng) for name in instruments}


def unet_logits(tensors, magnitude, conv_activation, deconv_activation):
    """One stem on one segment [T, F, 2], up to the sigmoid (Spleeter's `apply_unet`)."""
    t = {name: np.asarray(value, np.float64) for name, value in tensors.items()}

    def norm(x, k):
        name = numbered("batch_normalization", k)
        return batch_norm(
            x,
            t[f"{name}/gamma"],
            t[f"{name}/beta"],
            t[f"{name}/moving_mean"],
            t[f"{name}/moving_variance"],
        )

    skips = []
    x = np.asarray(magnitude, np.float64)
    for k in range(DEPTH):
        name = numbered("conv2d", k)
        raw = conv2d_same(x, t[f"{name}/kernel"], stride=2) + t[f"{name}/bias"]
        skips.append(raw)
        x = activate(norm(raw, k), conv_activation)
    x = skips.pop()  # the raw output of e6; its batch norm and activation lead nowhere
    for k in range(DEPTH):
        name = numbered("conv2d_transpose", k)
        x = conv2d_transpose_same(x, t[f"{name}/kernel"], stride=2) + t[f"{name}/bias"]
        x = norm(activate(x, deconv_activation), DEPTH + k)
        if skips:
            x = np.concatenate([skips.pop(), x], axis=2)
    name = numbered("conv2d", DEPTH)
    return conv2d_same(x, t[f"{name}/kernel"], dilation=2) + t[f"{name}/bias"]


def network_logits(config, tensors, magnitudes):
    """One stem: magnitudes [segments, T, F, 2] -> the same shape."""
    activations = config.conv_activation, config.deconv_activation
    return np.array([unet_logits(tensors, segment, *activations) for segment in magnitudes])


def estimates(config, weights, magnitudes):
    """All stems' networks: magnitudes [segments, T, F, 2] -> [stems, segments, T, F, 2]."""
    logits = np.array([network_logits(config, weights[name], magnitudes) for name in config.instruments])
    masks = softmax(logits, axis=0) if config.model_type == "unet.softmax_unet" else sigmoid(logits)
    return masks * np.asarray(magnitudes, np.float64)


# --- spectral -------------------------------------------------------------------------


def hann(length):
    """Periodic."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def fft_length(frame_length):
    n = 1
    while n < frame_length:
        n *= 2
    return n


def stft(samples, frame_length, hop):
    """samples [n, 2] -> complex [frames, bins, 2]: `frame_length` zeros in front, TensorFlow's `pad_end`."""
    signal = np.concatenate([np.zeros((frame_length, 2)), np.asarray(samples, np.float64)])
    frames = -(-len(signal) // hop)
    signal = np.concatenate([signal, np.zeros((frame_length, 2))])
    cut = np.array([signal[t * hop : t * hop + frame_length] for t in range(frames)])
    return np.fft.rfft(cut * hann(frame_length)[:, None], fft_length(frame_length), axis=1)


def istft(spectrum, samples, frame_length, hop):
    """complex [frames, bins, 2] -> [samples, 2]: windowed overlap-add times 2/3, cropped."""
    frames = np.fft.irfft(spectrum, fft_length(frame_length), axis=1)[:, :frame_length]
    frames = frames * (hann(frame_length) * 2 / 3)[:, None]
    signal = np.zeros(((len(frames) - 1) * hop + frame_length, 2))
    for t, frame in enumerate(frames):
        signal[t * hop : t * hop + frame_length] += frame
    return signal[frame_length : frame_length + samples]


def ratio_masks(x, exponent):
    """Estimates [stems, ...] -> masks."""
    powers = np.asarray(x, np.float64) ** exponent
    return (powers + MASK_EPSILON / len(x)) / (powers.sum(axis=0) + MASK_EPSILON)


def wiener(v, x):
    """norbert's `wiener(v, x)` with its defaults: v [frames, bins, 2, stems], x [frames, bins, 2].

    Ratio mask, then one iteration of expectation maximisation; eps is that of complex64 input.
    """
    eps = float(np.finfo(np.float32).eps)
    v, x = np.asarray(v, np.float64), np.asarray(x, np.complex128)
    y = v / (eps + v.sum(axis=3, keepdims=True)) * x[..., None]
    scale = max(1.0, np.abs(x).max() / 10)
    x, y = x / scale, y / scale
    power = np.mean(np.abs(y) ** 2, axis=2)  # [frames, bins, stems]
    covariance = np.einsum("tfis,tfjs->fijs", y, y.conj())
    covariance /= (eps + power.sum(axis=0))[:, None, None, :]
    mix = np.einsum("tfs,fijs->tfij", power, covariance) + np.sqrt(eps) * np.eye(2)
    filtered = np.linalg.solve(mix, x[..., None])[..., 0]
    return np.einsum("tfs,fijs,tfj->tfis", power, covariance, filtered) * scale


def separate(config, weights, samples, mwf=False):
    """Spleeter from samples to samples: float64 [stems, n, 2]."""
    spectrum = stft(samples, config.frame_length, config.frame_step)
    frames, bins, _ = spectrum.shape
    padded = -(-frames // config.T) * config.T
    magnitudes = np.zeros((padded, config.F, 2))
    magnitudes[:frames] = np.abs(spectrum[:, : config.F])
    sources = estimates(config, weights, magnitudes.reshape(-1, config.T, config.F, 2))
    sources = sources.reshape(len(config.instruments), padded, config.F, 2)
    if mwf:
        v = np.zeros((frames, bins, 2, len(sources)))
        v[:, : config.F] = np.moveaxis(sources[:, :frames], 0, -1)
        spectra = np.moveaxis(wiener(v, spectrum), -1, 0)
    else:
        masks = ratio_masks(sources, config.separation_exponent)[:, :frames]
        whole = np.zeros((len(masks), frames, bins, 2))
        whole[:, :, : config.F] = masks
        if config.mask_extension == "average":
            whole[:, :, config.F :] = masks.mean(axis=2, keepdims=True)
        spectra = whole * spectrum
    return np.array([istft(s, len(samples), config.frame_length, config.frame_step) for s in spectra])


# --- modes -------------------------------------------------------------------------------


def own_masks(config, weights, magnitudes):
    """Each network's own mask: magnitudes [segments, T, F, 2] -> {stem: the same shape}."""
    if config.model_type == "unet.softmax_unet":
        logits = [network_logits(config, weights[name], magnitudes) for name in config.instruments]
        return dict(zip(config.instruments, softmax(np.array(logits), axis=0), strict=True))
    return {name: sigmoid(network_logits(config, tensors, magnitudes)) for name, tensors in weights.items()}


def mode_spectra(config, weights, spectrum, mode, above, full_band=False, network=None):
    """What a mode makes by networks: spectrum [frames, bins, 2] -> {stem: [frames, bins, 2]}, literally:
    every network is fed the magnitude of a spectrum, and its mask multiplies that spectrum."""
    frames, bins, _ = spectrum.shape
    padded = -(-frames // config.T) * config.T

    def masked(heard, names, weight):
        magnitudes = np.zeros((padded, config.F, 2))
        magnitudes[:frames] = np.abs(heard[:, : config.F])
        magnitudes = magnitudes.reshape(-1, config.T, config.F, 2)
        found = own_masks(config, {name: weights[name] for name in names}, magnitudes)
        result = {}
        for name in names:
            mask = np.full((frames, bins, 2), weight)
            mask[:, : config.F] = found[name].reshape(padded, config.F, 2)[:frames]
            result[name] = mask
        return result

    if mode == "direct":
        masks = masked(spectrum, config.instruments, above)
    elif mode == "residual":
        masks = masked(spectrum, (network,), above)
    else:
        drums = masked(spectrum, ("drums",), above)["drums"]
        left = spectrum * (1 - drums)
        # Above F vocals, too, have the weight `above` of the mix; the network hears nothing of that.
        share = masked(left, ("vocals",), above / (1 - above))["vocals"]
        masks = {"drums": drums, "vocals": share * (1 - drums)}
    if full_band:
        for mask in masks.values():
            mask[:, config.F :] = mask[:, : config.F].mean(axis=1, keepdims=True)
    return {name: mask * spectrum for name, mask in masks.items()}


def separate_mode(config, weights, samples, mode, above=0.1, full_band=False, network=None):
    """The stems of a mode, {stem: float64 [n, 2]}; the rest is what is left of the samples."""
    spectrum = stft(samples, config.frame_length, config.frame_step)
    spectra = mode_spectra(config, weights, spectrum, mode, above, full_band, network)
    stems = {
        name: istft(value, len(samples), config.frame_length, config.frame_step)
        for name, value in spectra.items()
    }
    if mode != "direct":
        rest = "accompaniment"
        if mode == "residual":
            rest = next(name for name in config.instruments if name != network)
        stems[rest] = np.asarray(samples, np.float64) - sum(stems.values())
    return stems
