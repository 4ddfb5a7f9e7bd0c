// The client of PortAudio with a library that is looked for at run time, here one of tests/portaudio_fake.c: what
// Python's tests ask of it on Linux (tests/unit/test_portaudio.py), for other systems.
//
//     portaudio_client LIBRARY
#include "live/portaudio.h"

#include <cstdio>
#include <string>
#ifdef _WIN32
#include <windows.h>

#include <shellapi.h>
#endif

using namespace spleeterrt;

namespace {

// The program's argument in UTF-8: Windows gives `main` the system's own encoding, which may lack a path's letters.
std::string argument(int argc, char **argv)
{
#ifdef _WIN32
    (void)argv;
    wchar_t **words = CommandLineToArgvW(GetCommandLineW(), &argc);
    char text[4096] = "";
    if (argc > 1)
        WideCharToMultiByte(CP_UTF8, 0, words[1], -1, text, sizeof text, nullptr, nullptr);
    return text;
#else
    return argc > 1 ? argv[1] : "";
#endif
}

} // namespace

int main(int argc, char **argv)
{
    const std::string library = argument(argc, argv);
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
            PortAudioClient client({"nowhere.library", library}, one.input, one.output, 2, 2, 0, 44100, 256, {});
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
