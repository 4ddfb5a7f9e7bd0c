// SRT_DCHECK (core/check.h) with SPLEETERRT_CHECKS and without, for tests/unit/test_checks.py:
//
//     checks CASE
//
// prints "returned" where the case's mistake went unseen. With the checks, it has cases of kernels, too.
#include "check.h"

#include <cstdio>
#include <cstring>

#if defined(SPLEETERRT_CHECKS)
#include "network/elementwise.h"
#include "sound/spectral.h"

#include <memory>
#include <vector>
#endif

namespace {

int evaluated = 0;

bool holds(bool result)
{
    evaluated++;
    return result;
}

#if defined(SPLEETERRT_CHECKS)

// One mistake of a caller each, beside what is right.
bool run_kernels(const char *name)
{
    using namespace spleeterrt;
    const auto is = [&](const char *mistake) { return std::strcmp(name, mistake) == 0; };
    const std::size_t length = 64, hop = 16, bins = length / 2 + 1;
    const std::vector<float> window(length, 1.0f), samples(4 * length, 0.5f), estimates(200, 1.0f);
    std::vector<float> masks(200), magnitudes(4 * bins * 2), sums(4 * length);
    const std::unique_ptr<Stft> stft(
        make_stft("generic", length, is("hop") ? 0 : hop, is("length") ? 96 : length, window.data(), window.data()));
    std::vector<float> floats(stft->scratch_floats() + 32);
    float *scratch = floats.data();
    while (!SRT_ALIGNED(scratch))
        scratch++;
    stft->transform(samples.data(), is("frames") ? 5 : 3, is("scratch") ? scratch + 1 : scratch);
    stft->magnitude(3, magnitudes.data(), is("bins") ? bins + 1 : bins, scratch);
    stft->synthesise(nullptr, nullptr, 0, is("no frames") ? 0 : 3, sums.data(), scratch);
    stft->masks().ratio_masks(estimates.data(), 100, is("no stems") ? 0 : 2, is("plane") ? 101 : 100, 2.0f,
                              masks.data());
    elementwise_kernels(Isa::generic)
        .bias_activate_norm(estimates.data(), estimates.data(), ACTIVATION_ELU, estimates.data(), estimates.data(),
                            masks.data(), is("distance") ? 3 : 4, 5, 4);
    return is("none") || is("hop") || is("length") || is("frames") || is("scratch") || is("bins") || is("no frames") ||
           is("no stems") || is("plane") || is("distance");
}

#else

bool run_kernels(const char *) { return false; }

#endif

int run(const char *name)
{
    alignas(64) static float line[32];
    if (std::strcmp(name, "count") == 0) {
        SRT_DCHECK(holds(true));
        return std::printf("%d\n", evaluated) < 0;
    }
    if (std::strcmp(name, "false") == 0)
        SRT_DCHECK(holds(false));
    else if (std::strcmp(name, "aligned") == 0)
        SRT_DCHECK(SRT_ALIGNED(line));
    else if (std::strcmp(name, "unaligned") == 0)
        SRT_DCHECK(SRT_ALIGNED(line + 1));
    else if (!run_kernels(name))
        return 2;
    std::puts("returned");
    return 0;
}

} // namespace

int main(int argc, char **argv) { return argc == 2 ? run(argv[1]) : 2; }
