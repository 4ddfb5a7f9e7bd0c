// Signals for tests, their comparison, and what the C interface makes of them.
#ifndef SPLEETERRT_TESTS_SOUND_H
#define SPLEETERRT_TESTS_SOUND_H

#include <cstddef>
#include <string>
#include <vector>

using Channels = std::vector<std::vector<float>>;

// Something with tones, beats and noise up to half the rate: two channels.
Channels music(double rate, double seconds);

// The level of a - b against that of b, in dB, from sample `from` on; -999: the same.
double difference(const std::vector<float> &a, const std::vector<float> &b, std::size_t from = 0);
double level(const std::vector<float> &a, std::size_t from = 0); // rms, dB
std::vector<float> delayed(const std::vector<float> &a, std::size_t by);

// Samples, by the C interface, with the options that docs/plugin.md names for a mode.
std::size_t latency_of(const char *mode, double rate, int block);

// The stems of `input` by the same, in blocks of `block`: two channels of each. Ends the program if there is no such
// stream.
Channels stems_of(const std::string &model, int stems, const char *mode, double rate, int block, const Channels &input);

#endif
