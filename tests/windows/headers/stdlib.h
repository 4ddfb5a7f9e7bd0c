#pragma once
#include <stddef.h>
extern "C" {
[[noreturn]] void abort(void);
void *malloc(size_t);
void free(void *);
}
