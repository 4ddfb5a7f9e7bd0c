/* Preloaded, for tests/functional/test_few_threads.py: no more than MOST_THREADS threads live beside the first one;
 * the creation of more is refused, as a system at its limit does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

struct start {
    void *(*routine)(void *);
    void *argument;
};

static atomic_int alive;

static void leave(void *nothing)
{
    (void)nothing;
    atomic_fetch_sub(&alive, 1);
}

static void *run(void *given)
{
    const struct start start = *(struct start *)given;
    void *result;
    free(given);
    pthread_cleanup_push(leave, NULL);
    result = start.routine(start.argument);
    pthread_cleanup_pop(1);
    return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *), void *argument)
{
    create_function *create = (create_function *)dlsym(RTLD_NEXT, "pthread_create");
    struct start *start;
    int code = EAGAIN;
    if (atomic_fetch_add(&alive, 1) < atoi(getenv("MOST_THREADS")) && (start = malloc(sizeof *start))) {
        start->routine = routine;
        start->argument = argument;
        code = create(thread, attributes, run, start);
        if (code)
            free(start);
    }
    if (code)
        leave(NULL);
    return code;
}
