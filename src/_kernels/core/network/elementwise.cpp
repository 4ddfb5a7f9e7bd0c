// The element-wise stages of one instruction set: compiled once per set with SRT_ISA naming it.
#include "network/elementwise.h"
#include "check.h"
#include "portability.h"

#include <cstdint>
#include <cstring>

namespace spleeterrt::SRT_ISA {
namespace {

// exp(x) = 2^n (1 + p), n = round(x / ln 2), p = expm1(x - n ln 2) by a degree-7
// Taylor polynomial on |r| <= ln(2) / 2 (truncation 5e-9, below float rounding).
// Branch-free, so that loops over it vectorise. Valid for x in [-87, 88].
KERNEL_INLINE void exp_parts(float x, float *two_n, float *p)
{
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float shifted = x * 1.44269504088896341f + magic;
    float n = shifted - magic;
    float r = x - n * 0.693359375f; // ln 2 in two parts, the first exact in few bits
    r = r + n * 2.12194440e-4f;
    float q = 1.0f / 5040.0f;
    q = q * r + 1.0f / 720.0f;
    q = q * r + 1.0f / 120.0f;
    q = q * r + 1.0f / 24.0f;
    q = q * r + 1.0f / 6.0f;
    q = q * r + 0.5f;
    *p = r + r * r * q;
    std::int32_t bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    bits = (std::int32_t)((std::uint32_t)(bits - 0x4b400000 + 127) << 23);
    std::memcpy(two_n, &bits, sizeof bits);
}

KERNEL_INLINE float exp_(float x)
{
    float two_n, p;
    exp_parts(x, &two_n, &p);
    return two_n + two_n * p;
}

KERNEL_INLINE float expm1_(float x)
{
    float two_n, p;
    exp_parts(x, &two_n, &p);
    return (two_n - 1.0f) + two_n * p;
}

KERNEL_INLINE float sigmoid(float x) { return 1.0f / (1.0f + exp_(-x)); }

KERNEL_INLINE float apply(float x, int activation)
{
    switch (activation) {
    case ACTIVATION_LEAKY_RELU: return x > 0.0f ? x : 0.2f * x;
    case ACTIVATION_RELU: return x > 0.0f ? x : 0.0f;
    case ACTIVATION_ELU: {
        float e = expm1_(x);
        return x > 0.0f ? x : e;
    }
    case ACTIVATION_SIGMOID: return sigmoid(x);
    default: return x;
    }
}

// A loop per activation, each with a constant `activation`, so that the switch is outside.
#define FOR_EACH_ACTIVATION(activation, body)                      \
    switch (activation) {                                          \
    case ACTIVATION_LEAKY_RELU: body(ACTIVATION_LEAKY_RELU) break; \
    case ACTIVATION_RELU: body(ACTIVATION_RELU) break;             \
    case ACTIVATION_ELU: body(ACTIVATION_ELU) break;               \
    case ACTIVATION_SIGMOID: body(ACTIVATION_SIGMOID) break;       \
    default: body(ACTIVATION_NONE) break;                          \
    }

void activate(const float *x, float *y, std::size_t n, int activation)
{
    SRT_DCHECK(n == 0 || (x && y));
#define BODY(kind)                      \
    for (std::size_t i = 0; i < n; i++) \
        y[i] = apply(x[i], kind);
    FOR_EACH_ACTIVATION(activation, BODY)
#undef BODY
}

KERNEL_INLINE void bias_norm_activate_as(float *KERNEL_RESTRICT raw, std::size_t ld, const float *KERNEL_RESTRICT bias,
                                         const float *KERNEL_RESTRICT scale, const float *KERNEL_RESTRICT shift,
                                         int kind, float *KERNEL_RESTRICT out, std::size_t rows, std::size_t channels)
{
    for (std::size_t r = 0; r < rows; r++, raw += ld, out += channels)
        for (std::size_t c = 0; c < channels; c++) {
            float v = raw[c] + bias[c];
            raw[c] = v;
            out[c] = apply(v * scale[c] + shift[c], kind);
        }
}

void bias_norm_activate(float *raw, std::size_t ld, const float *bias, const float *scale, const float *shift,
                        int activation, float *out, std::size_t rows, std::size_t channels)
{
    SRT_DCHECK(raw && bias && ld >= channels && (!out || (scale && shift)));
    if (!out) {
        for (std::size_t r = 0; r < rows; r++, raw += ld)
            for (std::size_t c = 0; c < channels; c++)
                raw[c] += bias[c];
        return;
    }
#define BODY(kind) bias_norm_activate_as(raw, ld, bias, scale, shift, kind, out, rows, channels);
    FOR_EACH_ACTIVATION(activation, BODY)
#undef BODY
}

KERNEL_INLINE void bias_activate_norm_as(const float *KERNEL_RESTRICT x, const float *KERNEL_RESTRICT bias, int kind,
                                         const float *KERNEL_RESTRICT scale, const float *KERNEL_RESTRICT shift,
                                         float *KERNEL_RESTRICT out, std::size_t ld, std::size_t rows,
                                         std::size_t channels)
{
    if (channels == 1) { // d6: the vector runs over pixels
        for (std::size_t r = 0; r < rows; r++)
            out[r * ld] = apply(x[r] + bias[0], kind) * scale[0] + shift[0];
        return;
    }
    for (std::size_t r = 0; r < rows; r++, x += channels, out += ld)
        for (std::size_t c = 0; c < channels; c++)
            out[c] = apply(x[c] + bias[c], kind) * scale[c] + shift[c];
}

void bias_activate_norm(const float *x, const float *bias, int activation, const float *scale, const float *shift,
                        float *out, std::size_t ld, std::size_t rows, std::size_t channels)
{
    SRT_DCHECK(x && bias && scale && shift && out && ld >= channels);
#define BODY(kind) bias_activate_norm_as(x, bias, kind, scale, shift, out, ld, rows, channels);
    FOR_EACH_ACTIVATION(activation, BODY)
#undef BODY
}

void bias_mask(const float *logits, const float *bias, const float *input, float *out, std::size_t rows,
               std::size_t channels)
{
    SRT_DCHECK(logits && bias && out && channels > 0);
    if (!input) {
        for (std::size_t r = 0; r < rows; r++)
            for (std::size_t c = 0; c < channels; c++)
                out[r * channels + c] = logits[r * channels + c] + bias[c];
        return;
    }
    if (channels == 2) {                           // the network's case: one loop over all values
        const float even = bias[0], odd = bias[1]; // outside, or the loop does not vectorise
        for (std::size_t i = 0; i < 2 * rows; i++)
            out[i] = sigmoid(logits[i] + ((i & 1) ? odd : even)) * input[i];
        return;
    }
    for (std::size_t r = 0; r < rows; r++)
        for (std::size_t c = 0; c < channels; c++)
            out[r * channels + c] = sigmoid(logits[r * channels + c] + bias[c]) * input[r * channels + c];
}

void softmax_mask(float *x, std::size_t plane, std::size_t stems, const float *input, std::size_t n)
{
    SRT_DCHECK(stems > 0 && plane >= n && (n == 0 || (x && input)));
    constexpr std::size_t block = 256;
    float top[block], sum[block];
    for (std::size_t first = 0; first < n; first += block) {
        std::size_t count = n - first < block ? n - first : block;
        for (std::size_t i = 0; i < count; i++) {
            top[i] = x[first + i];
            sum[i] = 0.0f;
        }
        for (std::size_t s = 1; s < stems; s++) {
            const float *v = x + s * plane + first;
            for (std::size_t i = 0; i < count; i++)
                top[i] = v[i] > top[i] ? v[i] : top[i];
        }
        for (std::size_t s = 0; s < stems; s++) {
            float *v = x + s * plane + first;
            for (std::size_t i = 0; i < count; i++) {
                float e = exp_(v[i] - top[i]);
                v[i] = e;
                sum[i] += e;
            }
        }
        for (std::size_t s = 0; s < stems; s++) {
            float *v = x + s * plane + first;
            for (std::size_t i = 0; i < count; i++)
                v[i] = v[i] / sum[i] * input[first + i];
        }
    }
}

} // namespace

extern const ElementwiseKernels elementwise_table = {SRT_ISA_NAME,       activate,  bias_norm_activate,
                                                     bias_activate_norm, bias_mask, softmax_mask};

} // namespace spleeterrt::SRT_ISA
