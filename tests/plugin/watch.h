// What an audio thread must not do, counted: while a thread is watched, its allocations, frees, locks and waits.
#ifndef SPLEETERRT_TESTS_WATCH_H
#define SPLEETERRT_TESTS_WATCH_H

namespace watch {

struct Counts {
    long allocations = 0, frees = 0, locks = 0, waits = 0;
    long sum() const { return allocations + frees + locks + waits; }
};

void prepare(); // once, before anything is watched
void begin();   // the calling thread is watched from here on
void end();
Counts counts(); // of all threads since the last clear
void clear();
bool works(); // whether this build counts: not under sanitizers, whose functions stand in the same places

} // namespace watch

#endif
