// The client of PortAudio with a library that is looked for at run time, here one of tests/portaudio_fake.c: what
// Python's tests ask of it on Linux (tests/unit/test_portaudio.py), for other systems.
//
//     portaudio_client LIBRARY
#include "live/portaudio.h"

#include <cstdio>

using namespace spleeterrt;

int main(int argc, char **argv)
{
    const struct {
        const char *input, *output, *name;
        unsigned rate;
    } cases[] = {
        {"", "", "Microphone (USB) -> Speakers", 44100},
        {"WASAPI", "WASAPI", "Microphone (USB) -> Speakers", 48000},
        {"", "Headphones, Windows", "Microphone (USB) -> Headphones", 48000},
        {"3", "head", "Microphone (USB) -> Headphones", 48000},
    };
    int failures = 0;
    for (const auto &one : cases) {
        try {
            PortAudioClient client({"nowhere.library", argc > 1 ? argv[1] : ""}, one.input, one.output, 2, 2, 0, 44100,
                                   256, {});
            client.start();
            const bool good = client.name() == one.name && client.sample_rate() == one.rate &&
                              client.callback().stats().callbacks == 1;
            failures += !good;
            std::printf("%s '%s' '%s': %s, %u Hz\n", good ? "passed" : "FAILED", one.input, one.output,
                        client.name().c_str(), client.sample_rate());
        } catch (const std::exception &error) {
            failures++;
            std::printf("FAILED %s\n", error.what());
        }
    }
    return failures != 0;
}
