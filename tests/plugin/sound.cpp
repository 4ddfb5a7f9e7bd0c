#include "sound.h"

#include "spleeterrt.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

Channels music(double rate, double seconds)
{
    const std::size_t n = static_cast<std::size_t>(rate * seconds);
    Channels out(2, std::vector<float>(n));
    std::uint32_t seed = 1;
    const auto noise = [&] {
        seed = seed * 1664525u + 1013904223u;
        return static_cast<double>(seed >> 8) / 8388608.0 - 1.0;
    };
    for (std::size_t i = 0; i < n; i++) {
        const double t = static_cast<double>(i) / rate, beat = std::fmod(t, 0.5), half = std::fmod(t + 0.25, 0.5);
        const double kick = 0.5 * std::sin(40 * std::exp(-12 * beat)) * std::exp(-8 * beat);
        const double voice =
            0.2 * std::sin(6.2832 * 220 * t + 3 * std::sin(6.2832 * 5 * t)) * (0.5 + 0.5 * std::sin(2 * t));
        const double bass = 0.2 * std::sin(6.2832 * 55 * t);
        for (int c = 0; c < 2; c++)
            out[c][i] = static_cast<float>(kick + voice + bass + 0.1 * noise() * std::exp(-20 * half) + 0.02 * noise());
    }
    return out;
}

static double decibels(double power) { return power > 0 ? 10 * std::log10(power) : -999; }

double difference(const std::vector<float> &a, const std::vector<float> &b, std::size_t from)
{
    double error = 0, power = 0;
    for (std::size_t i = from; i < std::min(a.size(), b.size()); i++) {
        error += (double(a[i]) - b[i]) * (double(a[i]) - b[i]);
        power += double(b[i]) * b[i];
    }
    return error == 0 ? -999 : decibels(error / std::max(power, 1e-30));
}

double level(const std::vector<float> &a, std::size_t from)
{
    double power = 0;
    for (std::size_t i = from; i < a.size(); i++)
        power += double(a[i]) * a[i];
    return decibels(power / static_cast<double>(std::max<std::size_t>(1, a.size() - std::min(from, a.size()))));
}

std::vector<float> delayed(const std::vector<float> &a, std::size_t by)
{
    std::vector<float> out(a.size(), 0.0f);
    if (by < a.size())
        std::copy(a.begin(), a.end() - static_cast<std::ptrdiff_t>(by), out.begin() + static_cast<std::ptrdiff_t>(by));
    return out;
}

static srt_options options_of(const char *mode, double rate, int block)
{
    srt_options options = srt_default_options();
    options.hop_frames = !std::strcmp(mode, "long") ? 128 : !std::strcmp(mode, "middle") ? 2 : 1;
    options.window = !std::strcmp(mode, "long") ? 0 : 2048;
    options.budget = !std::strcmp(mode, "short") ? 896 : 0;
    options.max_block = block;
    options.sample_rate = static_cast<int>(rate);
    options.realtime = 0;
    options.residual = 1;
    return options;
}

std::size_t latency_of(const char *mode, double rate, int block)
{
    const srt_options options = options_of(mode, rate, block);
    std::size_t latency = 0;
    srt_latency_of(&options, nullptr, &latency, nullptr);
    return latency;
}

Channels stems_of(const std::string &model, int stems, const char *mode, double rate, int block, const Channels &input)
{
    srt_options options = options_of(mode, rate, block);
    options.stems = stems == 2   ? "vocals,accompaniment"
                    : stems == 4 ? "vocals,drums,bass,other"
                                 : "vocals,drums,bass,piano,other";
    char message[SRT_MESSAGE_SIZE] = "";
    srt_stream *stream = srt_create(model.c_str(), &options, message);
    if (!stream) {
        std::printf("FAILED: the C interface: %s\n", message);
        std::exit(2);
    }
    Channels out(2 * static_cast<std::size_t>(stems), std::vector<float>(input[0].size()));
    std::vector<std::size_t> places; // of the stream's stems among those that were asked for
    for (int s = 0; s < srt_stems(stream); s++) {
        const std::string all = std::string(",") + options.stems;
        const std::string before = all.substr(0, all.find(std::string(",") + srt_stem_name(stream, s)));
        places.push_back(static_cast<std::size_t>(std::count(before.begin(), before.end(), ',')));
    }
    for (std::size_t at = 0; at < input[0].size(); at += static_cast<std::size_t>(block)) {
        const std::size_t n = std::min(static_cast<std::size_t>(block), input[0].size() - at);
        const float *in[2] = {input[0].data() + at, input[1].data() + at};
        std::vector<float *> to;
        for (const std::size_t place : places)
            for (std::size_t c = 0; c < 2; c++)
                to.push_back(out[2 * place + c].data() + at);
        srt_process(stream, in, to.data(), n);
    }
    srt_destroy(stream);
    return out;
}
