#include "watch.h"

#include <atomic>

namespace {

thread_local bool watched = false;
std::atomic<long> allocations{0}, frees{0}, locks{0}, waits{0};

} // namespace

namespace watch {

void begin() { watched = true; }
void end() { watched = false; }

Counts counts()
{
    Counts c;
    c.allocations = allocations.load();
    c.frees = frees.load();
    c.locks = locks.load();
    c.waits = waits.load();
    return c;
}

void clear() { allocations = frees = locks = waits = 0; }

} // namespace watch

#if defined(__linux__) && !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)

#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define CONDITION_VERSION "GLIBC_2.3.2" // the older ones are of another structure
#else
#define CONDITION_VERSION "GLIBC_2.17"
#endif

namespace {

template <typename Function> void find(Function *&function, const char *name, const char *version = nullptr)
{
    void *found = version ? dlvsym(RTLD_NEXT, name, version) : dlsym(RTLD_NEXT, name);
    function = reinterpret_cast<Function *>(found ? found : dlsym(RTLD_NEXT, name));
}

int (*real_lock)(pthread_mutex_t *);
int (*real_wait)(pthread_cond_t *, pthread_mutex_t *);
int (*real_timedwait)(pthread_cond_t *, pthread_mutex_t *, const timespec *);
int (*real_clockwait)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const timespec *);
int (*real_sem_wait)(sem_t *);
int (*real_sem_timedwait)(sem_t *, const timespec *);
int (*real_join)(pthread_t, void **);
int (*real_nanosleep)(const timespec *, timespec *);
long (*real_syscall)(long, ...);

void find_all()
{
    find(real_lock, "pthread_mutex_lock");
    find(real_wait, "pthread_cond_wait", CONDITION_VERSION);
    find(real_timedwait, "pthread_cond_timedwait", CONDITION_VERSION);
    find(real_clockwait, "pthread_cond_clockwait");
    find(real_sem_wait, "sem_wait");
    find(real_sem_timedwait, "sem_timedwait");
    find(real_join, "pthread_join");
    find(real_nanosleep, "nanosleep");
    find(real_syscall, "syscall");
}

void count(std::atomic<long> &what)
{
    if (watched)
        what++;
}

} // namespace

namespace watch {

void prepare() { find_all(); }
bool works() { return true; }

} // namespace watch

#pragma GCC visibility push(default) // the plugin is to find them, too
extern "C" {

void *__libc_malloc(std::size_t);
void *__libc_calloc(std::size_t, std::size_t);
void *__libc_realloc(void *, std::size_t);
void *__libc_memalign(std::size_t, std::size_t);
void __libc_free(void *);

void *malloc(std::size_t size)
{
    count(allocations);
    return __libc_malloc(size);
}

void *calloc(std::size_t n, std::size_t size)
{
    count(allocations);
    return __libc_calloc(n, size);
}

void *realloc(void *p, std::size_t size)
{
    count(allocations);
    return __libc_realloc(p, size);
}

void *aligned_alloc(std::size_t alignment, std::size_t size)
{
    count(allocations);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **p, std::size_t alignment, std::size_t size)
{
    count(allocations);
    *p = __libc_memalign(alignment, size);
    return *p ? 0 : ENOMEM;
}

void free(void *p)
{
    if (p)
        count(frees);
    __libc_free(p);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    if (!real_lock)
        find_all();
    count(locks);
    return real_lock(mutex);
}

int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    if (!real_wait)
        find_all();
    count(waits);
    return real_wait(condition, mutex);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const timespec *time)
{
    if (!real_timedwait)
        find_all();
    count(waits);
    return real_timedwait(condition, mutex, time);
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock, const timespec *time)
{
    if (!real_clockwait)
        find_all();
    count(waits);
    return real_clockwait(condition, mutex, clock, time);
}

int sem_wait(sem_t *semaphore)
{
    if (!real_sem_wait)
        find_all();
    count(waits);
    return real_sem_wait(semaphore);
}

int sem_timedwait(sem_t *semaphore, const timespec *time)
{
    if (!real_sem_timedwait)
        find_all();
    count(waits);
    return real_sem_timedwait(semaphore, time);
}

int pthread_join(pthread_t thread, void **result)
{
    if (!real_join)
        find_all();
    count(waits);
    return real_join(thread, result);
}

int nanosleep(const timespec *time, timespec *rest)
{
    if (!real_nanosleep)
        find_all();
    count(waits);
    return real_nanosleep(time, rest);
}

long syscall(long number, ...)
{
    if (!real_syscall)
        find_all();
    va_list list;
    va_start(list, number);
    long a[6];
    for (long &argument : a)
        argument = va_arg(list, long);
    va_end(list);
    const long operation = a[1] & FUTEX_CMD_MASK;
    if (number == SYS_futex &&
        (operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET || operation == FUTEX_LOCK_PI))
        count(waits);
    return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

} // extern "C"
#pragma GCC visibility pop

#else

namespace watch {

void prepare() {}
bool works() { return false; }

} // namespace watch

#endif
