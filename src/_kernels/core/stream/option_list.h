// The options of a stream: one list, from which follow the structures (request.h, options.h), the C structure's
// translation (../c/options.cpp), what Python knows of them (stream.pyx, `spleeterrt.realtime.settings`) and the table
// in docs/realtime.md. Tests compare the structure in spleeterrt.h and `StreamSettings` with it, which need a line each
// for the types that their readers see.
//
//     GROUP(kind, name, usual value, least, most, unit, sentence)
//
// GROUP: ENGINE: a field of StreamOptions, too. DERIVED: `resolve_stream` or the mode make something else of it.
// MODEL: of the model that a stream opens, not of the stream. NATIVE: like ENGINE, but for programs in C alone.
//
// kind, and what stands for "the default depends on other things" (None in Python):
//     size      integer, a multiple of 64        optional  integer; 0: none was named
//     count     integer                          stem      index of a stem; negative: none was named
//     level     integer, not a size              share     number; negative: none was named
//     rate      integer, Hz                      seconds   number
//     flag      on or off                        text      words; null: none were named
//     pace      0, 1 or 2 (auto)
//
// least, most: what a value that was named is checked against; most is `unlimited` where other options limit it
// (`check_stream`). New ones go to the end: programs of earlier versions have a shorter structure in C.
#ifndef SPLEETERRT_OPTION_LIST_H
#define SPLEETERRT_OPTION_LIST_H

#define SRT_STREAM_OPTIONS(ENGINE, DERIVED, MODEL, NATIVE)                                                            \
    ENGINE(size, frames, 128, 64, 512, "frames",                                                                      \
           "T, what the networks see at a time, a multiple of 64: longer windows know more of the music "             \
           "and take longer.")                                                                                        \
    ENGINE(optional, hop_frames, 0, 1, unlimited, "frames",                                                           \
           "New frames per run of the networks. Default: as many as frames (double-buffered: the "                    \
           "segments of a file), or 1 with hold.")                                                                    \
    ENGINE(count, lookahead, 0, 0, unlimited, "frames",                                                               \
           "Future frames that the networks see beyond the ones they make masks for; each adds a frame "              \
           "of latency.")                                                                                             \
    ENGINE(optional, bins, 0, 64, unlimited, "bins",                                                                  \
           "F, the lowest bins that the networks see, a multiple of 64. Default: the model's.")                       \
    ENGINE(optional, budget, 0, 1, unlimited, "samples",                                                              \
           "Time at the model's rate that a run may take from the moment its last frame is complete. "                \
           "Default: until the next run begins.")                                                                     \
    ENGINE(count, max_block, 4096, 1, most_block, "samples", "The largest block that will come.")                     \
    ENGINE(optional, block, 0, 1, most_block, "samples",                                                              \
           "The host's fixed block, if it has one: lowers the latency where it divides the frame step "               \
           "(1024) and the budget. Default: blocks of any size.")                                                     \
    DERIVED(optional, window, 0, 1, unlimited, "samples",                                                             \
            "How much of a frame is synthesised, at least 5/4 of the frame step; 2048 lowers the latency "            \
            "by 46 ms. Default: all of it (4096).")                                                                   \
    ENGINE(rate, sample_rate, 44100, 1000, unlimited, "Hz",                                                           \
           "Rate of the stream; another one than the model's is resampled both ways, with the delay "                 \
           "counted in the latency.")                                                                                 \
    ENGINE(optional, threads, 0, 1, unlimited, "",                                                                    \
           "Threads that run the networks, at most 256. Default: as many as OMP_NUM_THREADS says, or one "            \
           "per core that the process may use, at most two per network that runs at the same time.")                  \
    ENGINE(pace, realtime, 1, 0, 2, "",                                                                               \
           "On (1): never wait for the networks, late ones are counted and concealed. Off (0): wait, so that "        \
           "results are the same every time. Auto (2): wait while the caller is ahead of the clock, as one "          \
           "that renders is.")                                                                                        \
    ENGINE(flag, hold, 0, 0, 1, "",                                                                                   \
           "The newest mask goes to the newest frame: the latency is the window alone, and masks lag by "             \
           "the networks' time.")                                                                                     \
    ENGINE(count, crossfade, 0, 0, unlimited, "frames",                                                               \
           "Frames at the beginning of a run over which masks fade from those of the run before.")                    \
    ENGINE(stem, cover, -1, 0, unlimited, "",                                                                         \
           "The concealment stem, which gets the whole mix when masks are older than hold_seconds. "                  \
           "Default: the last one.")                                                                                  \
    ENGINE(seconds, hold_seconds, 1.0, 0, 3600, "s",                                                                  \
           "How long the last mask is held when the networks are late, before concealment.")                          \
    DERIVED(flag, full_band, 0, 0, 1, "", "Masks also above F (Spleeter's mask extension \"average\").")              \
    ENGINE(level, niceness, 0, 0, unlimited, "", "Added to the niceness of the networks' threads (Linux, Windows).")  \
    ENGINE(level, priority, 0, 0, 99, "",                                                                             \
           "Real-time priority of the networks' threads, below the audio callback's, where the system "               \
           "allows it; 0: none.")                                                                                     \
    MODEL(flag, low_memory, 0, 0, 1, "", "Half of the weights' memory, somewhat slower.")                             \
    MODEL(text, isa, nullptr, 0, 0, "",                                                                               \
          "Instruction set of the kernels: avx512, avx2 or generic. Default: the one that "                           \
          "SPLEETERRT_ISA names, or the best of this CPU.")                                                           \
    DERIVED(text, mode, nullptr, 0, 0, "",                                                                            \
            "Which networks run and what becomes of their estimates: ratio (default), direct, residual or "           \
            "three.")                                                                                                 \
    DERIVED(text, stems, nullptr, 0, 0, "",                                                                           \
            "The stems that come out; only the networks that they need run. Default: all.")                           \
    DERIVED(share, above_band, -1.0, 0, 1, "",                                                                        \
            "Weight of the bins from F on in the modes other than ratio. Default: one over the number of stems.")     \
    ENGINE(flag, shared_threads, 0, 0, 1, "",                                                                         \
           "The networks run in threads that all streams of the process share which ask for it.")                     \
    ENGINE(flag, pre_fader, 0, 0, 1, "", "Stems come out before their gains; the mix is under them.")                 \
    ENGINE(flag, residual, 0, 0, 1, "",                                                                               \
           "The last stem is the input minus the others, so that their sum is the mix, also above the model's band.") \
    NATIVE(flag, caller_runs, 0, 0, 1, "",                                                                            \
           "No threads: the networks run where the program calls srt_run, and in srt_process where it waits.")

#endif
