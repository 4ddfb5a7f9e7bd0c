// SRT_DCHECK (core/check.h) with SPLEETERRT_CHECKS and without, for tests/unit/test_checks.py:
//
//     checks CASE
//
// prints "returned" where the case's mistake went unseen.
#include "check.h"

#include <cstdio>
#include <cstring>

namespace {

int evaluated = 0;

bool holds(bool result)
{
    evaluated++;
    return result;
}

int run(const char *name)
{
    alignas(64) static float line[32];
    if (std::strcmp(name, "count") == 0) {
        SRT_DCHECK(holds(true));
        return std::printf("%d\n", evaluated) < 0;
    }
    if (std::strcmp(name, "false") == 0)
        SRT_DCHECK(holds(false));
    else if (std::strcmp(name, "aligned") == 0)
        SRT_DCHECK(SRT_ALIGNED(line));
    else if (std::strcmp(name, "unaligned") == 0)
        SRT_DCHECK(SRT_ALIGNED(line + 1));
    else
        return 2;
    std::puts("returned");
    return 0;
}

} // namespace

int main(int argc, char **argv) { return argc == 2 ? run(argv[1]) : 2; }
