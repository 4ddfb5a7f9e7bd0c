// CHECK: says where a condition does not hold, and goes on.
#ifndef SPLEETERRT_TESTS_CHECK_H
#define SPLEETERRT_TESTS_CHECK_H

#include <cstdio>

inline int failures = 0;

#define CHECK(condition)                                                        \
    do {                                                                        \
        if (!(condition)) {                                                     \
            std::printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            failures++;                                                         \
        }                                                                       \
    } while (false)

#endif
