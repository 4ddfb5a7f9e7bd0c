// The frame of test programs: EXPECT says where a condition does not hold, and goes on; run_tests runs them by name.
#ifndef SPLEETERRT_TESTS_EXPECT_H
#define SPLEETERRT_TESTS_EXPECT_H

#include <cstdio>
#include <cstring>

inline int failures = 0;

#define EXPECT(condition)                                               \
    do {                                                                \
        if (!(condition)) {                                             \
            std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            failures++;                                                 \
        }                                                               \
    } while (0)

struct Test {
    const char *name;
    void (*run)();
};

// [--list | NAME]: the names; one of them; else all. The program's result.
template <std::size_t count> int run_tests(const Test (&tests)[count], int argc, char **argv)
{
    const bool list = argc > 1 && std::strcmp(argv[1], "--list") == 0;
    int ran = 0;
    for (const Test &test : tests) {
        if (list) {
            std::printf("%s\n", test.name);
            continue;
        }
        if (argc > 1 && std::strcmp(argv[1], test.name) != 0)
            continue;
        const int before = failures;
        test.run();
        ran++;
        std::printf("%s %s\n", failures == before ? "passed" : "FAILED", test.name);
    }
    return failures != 0 || (ran == 0 && !list);
}

#endif
