// What the module asks of JavaScript (spleeterrt-worker.js).
#ifndef SPLEETERRT_WEB_HOST_H
#define SPLEETERRT_WEB_HOST_H

#include <cstddef>

#define SRT_IMPORT(name) extern "C" __attribute__((import_module("host"), import_name(#name)))
// A function that JavaScript calls: exported by its name.
#define SRT_EXPORT(name) extern "C" __attribute__((export_name(#name)))

// Bytes of the model file, from `offset` on; 0: they are not there.
SRT_IMPORT(read) int srt_host_read(double offset, void *out, std::size_t size);

// Throws in JavaScript; the instance is to be discarded, because nothing is unwound.
enum { srt_host_failure = 0, srt_host_no_memory = 1 };
SRT_IMPORT(fail) [[noreturn]] void srt_host_fail(int kind, const char *message);

#endif
