/* A program without Python that separates in constant memory, for tests/functional/test_c_separation.py:
 *
 *     c_separation MODEL INPUT BLOCK THREADS FOLDER [option=value ...]
 *
 * INPUT: pairs of float32, read BLOCK samples at a time; FOLDER/<stem>: the same. THREADS of its own run the tasks; 0:
 * those of the library. Prints the process's peak memory in KiB. */
#include "spleeterrt.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_stems = 8, most_threads = 16 };

struct share {
    srt_separation *separation;
    pthread_mutex_t *mutex;
    size_t *next;
    int thread;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void check(int code, const char *what)
{
    if (code != SRT_OK)
        fail(what, srt_code_text(code));
}

/* One thread's share of the tasks at hand. */
static void *take_tasks(void *argument)
{
    struct share *share = argument;
    const size_t tasks = srt_separation_tasks(share->separation);
    for (;;) {
        pthread_mutex_lock(share->mutex);
        const size_t task = (*share->next)++;
        pthread_mutex_unlock(share->mutex);
        if (task >= tasks)
            return NULL;
        check(srt_separation_run(share->separation, task, share->thread), "run");
    }
}

static void run_tasks(srt_separation *separation, int threads)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t handles[most_threads];
    struct share shares[most_threads];
    size_t next = 0;
    for (int k = 0; k < threads; k++) {
        const struct share share = {separation, &mutex, &next, k};
        shares[k] = share;
        if (pthread_create(&handles[k], NULL, take_tasks, &shares[k]))
            fail("pthread_create", "no thread");
    }
    for (int k = 0; k < threads; k++)
        pthread_join(handles[k], NULL);
    check(srt_separation_complete(separation), "complete");
}

/* The next block, or the end of the signal. */
static void push(srt_separation *separation, FILE *input, float *const *planes, size_t block, size_t *have, size_t *at)
{
    if (*at == *have) {
        float pair[2];
        for (*at = *have = 0; *have < block && fread(pair, sizeof pair, 1, input) == 1; ++*have) {
            planes[0][*have] = pair[0];
            planes[1][*have] = pair[1];
        }
    }
    if (*have == 0) {
        check(srt_separation_finish(separation), "finish");
        return;
    }
    const float *const rest[2] = {planes[0] + *at, planes[1] + *at};
    size_t taken;
    check(srt_separation_push(separation, rest, *have - *at, &taken), "push");
    *at += taken;
}

static void take(srt_separation *separation, FILE *const *files, float *const *planes, size_t block)
{
    const size_t count = srt_separation_take(separation, planes, block);
    for (int stem = 0; stem < srt_separation_stems(separation); stem++)
        for (size_t i = 0; i < count; i++) {
            const float pair[2] = {planes[2 * stem][i], planes[2 * stem + 1][i]};
            fwrite(pair, sizeof pair, 1, files[stem]);
        }
}

static void set(srt_separation_options *options, const char *setting)
{
    const char *value = strchr(setting, '=') + 1;
    if (strncmp(setting, "mode=", 5) == 0)
        options->mode = value;
    else if (strncmp(setting, "stems=", 6) == 0)
        options->stems = value;
    else if (strncmp(setting, "two_stems=", 10) == 0)
        options->two_stems = value;
    else if (strncmp(setting, "above_band=", 11) == 0)
        options->above_band = atof(value);
    else if (strncmp(setting, "wiener=", 7) == 0)
        options->wiener = atoi(value);
    else if (strncmp(setting, "residual=", 9) == 0)
        options->residual = atoi(value);
    else if (strncmp(setting, "full_band=", 10) == 0)
        options->full_band = atoi(value);
    else if (strncmp(setting, "low_memory=", 11) == 0)
        options->low_memory = atoi(value);
    else if (strncmp(setting, "short_segments=", 15) == 0)
        options->short_segments = atoi(value);
    else
        fail(setting, "no such option");
}

/* KiB; -1: not Linux. (The peak of getrusage may be that of the process that started this one.) */
static long peak_memory(void)
{
    char line[256];
    long peak = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        sscanf(line, "VmHWM: %ld", &peak);
    if (status)
        fclose(status);
    return peak;
}

int main(int argc, char **argv)
{
    char message[SRT_MESSAGE_SIZE], path[4096];
    srt_model *model;
    srt_separation *separation;
    srt_separation_options options = srt_default_separation_options();
    srt_model_options of_model = srt_default_model_options();
    if (argc < 6)
        fail("c_separation", "MODEL INPUT BLOCK THREADS FOLDER [option=value ...]");
    const size_t block = strtoul(argv[3], NULL, 10);
    const int threads = atoi(argv[4]);
    options.threads = threads ? threads : 2;
    for (int k = 6; k < argc; k++)
        set(&options, argv[k]);
    of_model.low_memory = options.low_memory;
    if (srt_model_open(argv[1], &of_model, &model, message) != SRT_OK ||
        srt_separation_open(model, &options, &separation, message) != SRT_OK)
        fail(argv[1], message);
    srt_model_release(model);

    FILE *input = fopen(argv[2], "rb"), *files[most_stems];
    if (!input)
        fail(argv[2], "cannot be read");
    for (int stem = 0; stem < srt_separation_stems(separation); stem++) {
        snprintf(path, sizeof path, "%s/%s", argv[5], srt_separation_stem_name(separation, stem));
        files[stem] = fopen(path, "wb");
        if (!files[stem])
            fail(path, "cannot be written");
    }
    float *planes[2 * most_stems], *heard[2];
    for (int k = 0; k < 2 * most_stems; k++)
        planes[k] = malloc(block * sizeof(float));
    for (int k = 0; k < 2; k++)
        heard[k] = malloc(block * sizeof(float));
    size_t have = 0, at = 0;
    for (int wants; (wants = srt_separation_wants(separation)) != SRT_WANTS_NOTHING;) {
        if (wants == SRT_WANTS_SAMPLES) {
            push(separation, input, heard, block, &have, &at);
        } else if (wants == SRT_WANTS_TASKS && threads) {
            run_tasks(separation, threads);
        } else if (wants == SRT_WANTS_TASKS) {
            check(srt_separation_work(separation), "work");
        } else if (wants == SRT_WANTS_TAKING) {
            take(separation, files, planes, block);
        } else {
            rewind(input);
            have = at = 0;
            check(srt_separation_again(separation), "again");
        }
    }
    for (int stem = 0; stem < srt_separation_stems(separation); stem++)
        if (fclose(files[stem]))
            fail(argv[5], "cannot be written");
    srt_separation_destroy(separation);
    fclose(input);
    for (int k = 0; k < 2 * most_stems; k++)
        free(planes[k]);
    for (int k = 0; k < 2; k++)
        free(heard[k]);
    printf("%ld\n", peak_memory());
    return 0;
}
