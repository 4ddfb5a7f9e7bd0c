// What the static part of the C++ library asks for and an older glibc (SPLEETERRT_GLIBC) lacks. Nothing of it is
// exported.

#define _GNU_SOURCE
#include <stdint.h>
#include <sys/random.h>
#include <sys/stat.h>

// Since 2.32. 0: there may be threads.
char __libc_single_threaded;

// Functions since 2.33, before that macros around these, whose first argument names the layout of the structure.
#if defined(__x86_64__)
#define STAT_LAYOUT 1
#else
#define STAT_LAYOUT 0
#endif
int __xstat(int layout, const char *path, struct stat *result);
int __lxstat(int layout, const char *path, struct stat *result);
int __fxstat(int layout, int descriptor, struct stat *result);
int __fxstatat(int layout, int folder, const char *path, struct stat *result, int flags);

int stat(const char *path, struct stat *result) { return __xstat(STAT_LAYOUT, path, result); }
int lstat(const char *path, struct stat *result) { return __lxstat(STAT_LAYOUT, path, result); }
int fstat(int descriptor, struct stat *result) { return __fxstat(STAT_LAYOUT, descriptor, result); }
int fstatat(int folder, const char *path, struct stat *result, int flags)
{
    return __fxstatat(STAT_LAYOUT, folder, path, result, flags);
}
int fstat64(int descriptor, struct stat64 *result) { return fstat(descriptor, (struct stat *)result); }

// Since 2.36, of std::random_device, which nothing here uses.
uint32_t arc4random(void)
{
    uint32_t value = 0;
    while (getrandom(&value, sizeof value, 0) != sizeof value)
        ;
    return value;
}
