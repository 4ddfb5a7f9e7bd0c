/* spleeterrt: music source separation in C, while the music plays (srt_stream, first) and of whole signals
 * (srt_separation, below).
 *
 *     srt_options options = srt_default_options();
 *     options.block = 256;
 *     options.hop_frames = 2;
 *     char message[SRT_MESSAGE_SIZE];
 *     srt_stream *stream = srt_create("four.safetensors", &options, message);
 *     if (!stream)
 *         fprintf(stderr, "%s\n", message);
 *     ...
 *     srt_process(stream, input, outputs, 256);  // in the audio callback
 *     ...
 *     srt_destroy(stream);
 *
 * A model file is what `spleeterrt models convert spleeter:4stems four.safetensors` writes. Signals are stereo,
 * float32, full scale 1, one array per channel. A stream belongs to one thread at a time, except for the functions that
 * say otherwise. Functions that can fail return a code (0: done) or NULL; `srt_create` also a message in words.
 *
 * Any number of streams share a model, and its weights are in memory once:
 *
 *     srt_model *model;
 *     if (srt_model_open("four.safetensors", NULL, &model, message) == SRT_OK) {
 *         srt_stream_open(model, &options, &first, message);
 *         srt_stream_open(model, &options, &second, message);
 *         srt_model_release(model);  // the streams keep it as long as they need it
 *     }
 *
 * Real time: srt_process takes no lock, allocates nothing and never waits for the networks, which run in threads of
 * their own. Late ones are counted (srt_get_stats) and covered. Latency is constant: srt_latency. */
#ifndef SPLEETERRT_H
#define SPLEETERRT_H

#include <stddef.h>
#include <stdint.h>

#if defined(SRT_STATIC) /* the static library: its functions stay inside what it is linked into */
#define SRT_API
#elif defined(_WIN32) && defined(SRT_BUILD)
#define SRT_API __declspec(dllexport)
#elif defined(_WIN32)
#define SRT_API __declspec(dllimport)
#elif defined(__GNUC__)
#define SRT_API __attribute__((visibility("default")))
#else
#define SRT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Of this interface: a larger minor number only adds to it. The library's own version: srt_version. */
#define SRT_VERSION_MAJOR 1
#define SRT_VERSION_MINOR 0

#define SRT_MESSAGE_SIZE 1024

typedef struct srt_model srt_model;
typedef struct srt_stream srt_stream;

enum srt_code {
    SRT_OK = 0,
    SRT_BAD_ARGUMENT = 1, /* a null pointer, a stem that is not there, a number out of its range */
    SRT_BAD_BLOCK = 2,    /* a block other than promised; outputs are silent then. Nothing is written for a count above
                             65536, which is no stream's */
    SRT_BAD_OPTIONS = 3,  /* also an unknown isa */
    SRT_BAD_MODEL = 4,    /* missing, damaged, or not a model */
    SRT_NO_MEMORY = 5,    /* or not one thread to be had */
    SRT_FAILED = 6,
    SRT_BAD_SAMPLE = 7 /* of a whole signal: no finite number, or far beyond full scale */
};

/* How a stream works. Zeros mean the defaults, but for frames, max_block, sample_rate, realtime and hold_seconds: begin
 * with srt_default_options(). Later versions append to this structure and to the others that have a size; a program
 * that was compiled before goes on with its shorter ones. */
typedef struct srt_options {
    size_t size;         /* sizeof(srt_options), as srt_default_options sets it */
    int frames;          /* T, what the networks see: 64, 128 (default), ..., 512 frames */
    int hop_frames;      /* new frames per run; 0: all of them (double-buffered); hold: 1 */
    int lookahead;       /* future frames that the networks see beyond the ones they make masks for */
    int bins;            /* F; 0: the model's */
    int budget;          /* samples at the model's rate for a run; 0: the time between two runs */
    int max_block;       /* largest block; 4096 */
    int block;           /* the host's fixed block, if it has one: lowers the latency where it divides 1024 */
    int window;          /* samples of a frame that are synthesised; 0: all (4096); 2048 lowers the latency */
    int sample_rate;     /* Hz; 44100 */
    int threads;         /* of the networks; 0: as many as OMP_NUM_THREADS says, or else one per core that the process
                            may use (affinity, CPU quota of its control group), at most two per network */
    int realtime;        /* 1: srt_process never waits for the networks; 0: it waits, so that results are the same every
                            time; 2: it waits while its caller is ahead of the clock, as one that renders is */
    int hold;            /* the newest mask for the newest frame: latency is the window alone */
    int crossfade;       /* frames over which masks of consecutive runs fade */
    int cover;           /* index of the stem that gets the mix when masks are too old; -1: the last one */
    double hold_seconds; /* how long a mask is held before; 1 */
    int full_band;       /* masks also above F */
    int niceness;        /* added to that of the networks' threads (Linux; Windows has two steps: from 1, from 10 on) */
    int priority;        /* real-time priority of these threads, below the callback's, where allowed; 0: none */
    int low_memory;      /* of srt_create and srt_open: as in srt_model_options */
    const char *isa;     /* likewise */
    const char *mode;   /* NULL or "ratio": masks by the ratio of all networks' estimates; "direct": each network's own;
                           "residual": of two stems one by its network, the other is the mix minus it: half the work;
                           "three": vocals, drums and accompaniment by two networks, one after the other */
    const char *stems;  /* those that come out, separated by commas; NULL: all that the mode makes. ratio: all networks
                           run; direct, three: those that they need; residual: the first one's, and the mix minus it is
                           the other, if that is named. Of a file that holds two models (vocals, drums, bass, other;
                           vocals, accompaniment)  the second where accompaniment is named */
    double above_band;  /* weight above F (11 kHz) of direct, residual and three; negative: 1 / number of stems */
    int shared_threads; /* the networks run in threads that all streams of the process share which ask for it */
    int pre_fader;      /* stems come out before their gains; the mix is under them */
    int residual;    /* the last stem is the input minus the others: their sum is the mix, above the model's band too */
    int caller_runs; /* no threads: the networks run where the program calls srt_run, and in srt_process where that
                        waits */
} srt_options;

typedef struct srt_stats {
    uint64_t runs;           /* finished runs of the networks */
    uint64_t underruns;      /* runs that were not ready when due */
    uint64_t dropped;        /* runs that never began, because newer ones were waiting */
    uint64_t covered_frames; /* frames under an older mask than their own */
    uint64_t repaired;       /* input samples that were not numbers, or absurdly large */
    double load;             /* seconds of a run over the seconds between runs: above 1 it cannot hold */
    double run_seconds, worst_run_seconds;
    double process_seconds, worst_process_seconds; /* of srt_process */
    double process_load;                           /* that over the duration of the block */
    int priority_refused;                          /* the system does not allow options.priority */
    int reserved;                                  /* 0 */
} srt_stats;

/* How a model is loaded: begin with srt_default_model_options(). */
typedef struct srt_model_options {
    size_t size;     /* sizeof(srt_model_options), as srt_default_model_options sets it */
    const char *isa; /* "avx512", "avx2", "neon", "generic"; NULL: the one that the environment variable SPLEETERRT_ISA
                        names, or the best of this CPU */
    int low_memory;  /* half of the weights' memory, somewhat slower */
    int reserved;    /* 0 */
} srt_model_options;

/* The defaults into a structure of `size` bytes, sizeof(srt_options) where the program was compiled. NULL: nothing. */
SRT_API void srt_init_options(srt_options *options, size_t size);
SRT_API void srt_init_model_options(srt_model_options *options, size_t size);

/* The same, for C and C++. They are part of the program, whose structures may be shorter than the library's. */
static inline srt_options srt_default_options(void)
{
    srt_options options;
    srt_init_options(&options, sizeof options);
    return options;
}

static inline srt_model_options srt_default_model_options(void)
{
    srt_model_options options;
    srt_init_model_options(&options, sizeof options);
    return options;
}

/* --- models ---------------------------------------------------------------------------------------------------
 * A model counts its users: opening it makes the first, every stream is one, and so is whoever retains it. The last
 * release frees it. All of these functions may be called from any thread. */

/* Reads a model's header and configuration, which takes milliseconds; the weights of a network are read when something
 * first needs them, checksums verified, and stay. path: UTF-8 on Windows, elsewhere as the system takes it. The file is
 * open until all networks are loaded. options NULL: the defaults. message: NULL, or SRT_MESSAGE_SIZE characters that
 * get the reason of a failure. *model is NULL then. */
SRT_API int srt_model_open(const char *path, const srt_model_options *options, srt_model **model, char *message);

/* The same of a file's content in memory, which has to stay there until srt_model_load has returned, or else as long as
 * the model. */
SRT_API int srt_model_open_memory(const void *bytes, size_t size, const srt_model_options *options, srt_model **model,
                                  char *message);

/* Loads the weights of all networks now (some tenths of a second): the file or the memory is not needed any more. */
SRT_API int srt_model_load(srt_model *model, char *message);

/* One more user (returns the model), one less. NULL is allowed. */
SRT_API srt_model *srt_model_retain(srt_model *model);
SRT_API void srt_model_release(srt_model *model);

/* The model's stems in its order (of a file with a network for `accompaniment` beside others: without it); name: UTF-8,
 * owned by the model, NULL if there is none of that index. Hz. */
SRT_API int srt_model_stems(const srt_model *model);
SRT_API const char *srt_model_stem_name(const srt_model *model, int stem);
SRT_API int srt_model_sample_rate(const srt_model *model);

/* --- streams -------------------------------------------------------------------------------------------------- */

/* Starts a stream of a model, whose weights are loaded if they are not yet. options and message: as above; options.isa
 * and options.low_memory are the model's. *stream is NULL on failure. */
SRT_API int srt_stream_open(srt_model *model, const srt_options *options, srt_stream **stream, char *message);

/* Samples at options.sample_rate by which the stems of such a stream come later than the mix, before there is one: no
 * weights are read. model NULL: of any of Spleeter's models for 44.1 kHz, whatever the mode. */
SRT_API int srt_latency_of(const srt_options *options, const srt_model *model, size_t *latency, char *message);

/* Loads a model and starts a stream. options NULL: the defaults. message: NULL, or SRT_MESSAGE_SIZE characters that get
 * the reason of a failure. NULL on failure. */
SRT_API srt_stream *srt_create(const char *model_file, const srt_options *options, char *message);

/* The same with a code: *stream is NULL on failure. */
SRT_API int srt_open(const char *model_file, const srt_options *options, srt_stream **stream, char *message);

/* Ends the threads, frees everything. NULL is allowed. */
SRT_API void srt_destroy(srt_stream *stream);

/* The stems that come out: of the model, in its order, or those that the mode makes; name: UTF-8, owned by the stream,
 * NULL if there is none of that index. */
SRT_API int srt_stems(const srt_stream *stream);
SRT_API const char *srt_stem_name(const srt_stream *stream, int stem);

/* The threads of the networks: fewer than asked for where the system gives no more. */
SRT_API int srt_threads(const srt_stream *stream);

/* The largest block that srt_process takes; *fixed (may be NULL): whether every block has to have that size. */
SRT_API size_t srt_largest_block(const srt_stream *stream, int *fixed);

/* Samples at options.sample_rate by which stems come later than the mix. */
SRT_API size_t srt_latency(const srt_stream *stream);

/* The next `count` samples of the mix in, of every stem out. input: 2 channels. outputs: 2 channels of each stem,
 * stem by stem (left, right, left, ...); NULL for one that is not wanted, or for all. An output may be an input. */
SRT_API int srt_process(srt_stream *stream, const float *const *input, float *const *outputs, size_t count);

/* The same, with the sum of the stems under their gains in mix: 2 channels, NULL if not wanted. */
SRT_API int srt_process_mix(srt_stream *stream, const float *const *input, float *const *outputs, float *const *mix,
                            size_t count);

/* A stem's linear gain (0: muted), from the next block on, without clicks. From any thread. */
SRT_API int srt_set_gain(srt_stream *stream, int stem, float gain);
SRT_API int srt_set_gains(srt_stream *stream, const float *gains); /* of all stems */

/* From any thread. size: sizeof(srt_stats) where the program was compiled. */
SRT_API int srt_get_stats(const srt_stream *stream, srt_stats *stats, size_t size);
SRT_API int srt_reset_stats(srt_stream *stream);

/* options.realtime from the next block on. From any thread: a host says that it renders. */
SRT_API int srt_set_realtime(srt_stream *stream, int realtime);

/* Forgets the signal; networks that run are not waited for (but where options.realtime is 0).
 * srt_reset_at: the next sample is number `position` of the host's timeline, which may be negative (a multiple of the
 * block where that is fixed): frames and runs begin where they would in a stream that was there from sample 0 on.
 * Streams that then hear the same samples give the same stems from srt_settling samples on. */
SRT_API int srt_reset(srt_stream *stream);
SRT_API int srt_reset_at(srt_stream *stream, int64_t position);
SRT_API size_t srt_settling(const srt_stream *stream);

/* options.caller_runs: a run of the networks, or a part of one. From any thread, but with one workspace in one thread
 * at a time: srt_workspace_floats floats. 1: done; 0: there was nothing to do, or one of the two is NULL. */
SRT_API size_t srt_workspace_floats(const srt_stream *stream);
SRT_API int srt_run(srt_stream *stream, float *workspace);

/* Not for an audio callback, as it waits for networks that run: the last srt_latency samples, outputs as of
 * srt_process; then as after reset. */
SRT_API int srt_flush(srt_stream *stream, float *const *outputs, float *const *mix);

/* --- whole signals -------------------------------------------------------------------------------------------------
 *
 * The stems of songs, as the Python package's Separator makes them, bit for bit. At once, in memory:
 *
 *     srt_separation_options options = srt_default_separation_options();
 *     const float *input[2] = {left, right};
 *     float *outputs[4] = {vocals_left, vocals_right, others_left, others_right};
 *     srt_separate(model, &options, input, samples, outputs, message);
 *
 * or block by block in constant memory, whatever the length. The separation says what it wants next:
 *
 *     while ((wants = srt_separation_wants(separation)) != SRT_WANTS_NOTHING)
 *         switch (wants) {
 *         case SRT_WANTS_SAMPLES: // srt_separation_push the next ones; behind the last one srt_separation_finish
 *         case SRT_WANTS_TASKS:   // srt_separation_work, or in threads of your own: srt_separation_run every task,
 *                                 // then srt_separation_complete
 *         case SRT_WANTS_TAKING:  // srt_separation_take what is ready
 *         case SRT_WANTS_AGAIN:   // srt_separation_again, and the signal from its beginning once more (wiener)
 *         }
 *
 * Samples have the model's rate (srt_model_sample_rate), and every one comes out once: there is no latency to make up
 * for. Results depend neither on blocks nor on threads. To cancel, stop calling. A separation belongs to one thread at
 * a time, srt_separation_run excepted. */
typedef struct srt_separation srt_separation;

/* Zeros mean the defaults, but for above_band: begin with srt_default_separation_options(). */
typedef struct srt_separation_options {
    size_t size;           /* sizeof(srt_separation_options), as srt_default_separation_options sets it */
    int threads;           /* that run tasks at the same time; each has a workspace of some 30 MB. 0: as many as
                              OMP_NUM_THREADS says, or else one per core that the process may use */
    int wiener;            /* multichannel Wiener filter (Spleeter's MWF) instead of the ratio mask; the signal comes
                              twice */
    int residual;          /* ratio, direct: the last stem becomes the mix minus the others, so that they sum to it */
    int full_band;         /* masks also above F (11 kHz in Spleeter's models): the mean of those below */
    int low_memory;        /* one segment at a time; weights: as of srt_model_options */
    const char *mode;      /* NULL or "ratio", "direct", "residual", "three": as in srt_options */
    const char *stems;     /* the stems that come out, separated by commas; NULL: all. residual: the first one's network
                              runs */
    const char *two_stems; /* ratio, direct: this stem, and the mix minus it, named no_ and its name; NULL: no */
    double above_band;     /* weight above F of direct, residual and three; negative: 0.1 */
    int short_segments;    /* signals of up to 256 frames (5.9 s) run in segments of 256 where the model's T is larger:
                              0.7 of the work, and other samples towards the end */
    int reserved;          /* 0 */
} srt_separation_options;

enum srt_wants {
    SRT_WANTS_NOTHING = 0, /* the end */
    SRT_WANTS_SAMPLES = 1,
    SRT_WANTS_TASKS = 2,
    SRT_WANTS_TAKING = 3,
    SRT_WANTS_AGAIN = 4
};

/* As srt_init_options and srt_default_options. */
SRT_API void srt_init_separation_options(srt_separation_options *options, size_t size);

static inline srt_separation_options srt_default_separation_options(void)
{
    srt_separation_options options;
    srt_init_separation_options(&options, sizeof options);
    return options;
}

/* A whole signal, in options.threads threads that end with the call. options NULL: the defaults. input: 2 channels of
 * `count` samples. outputs: 2 channels of each stem, stem by stem, of as many; NULL for one that is not wanted. Which
 * stems come out follows from the options as srt_separation_stem_name says. message: as of srt_create. */
SRT_API int srt_separate(srt_model *model, const srt_separation_options *options, const float *const *input,
                         size_t count, float *const *outputs, char *message);

/* *separation is NULL on failure. The model is kept as long as the separation needs it. All memory is taken here, but
 * for the threads of srt_separation_work. */
SRT_API int srt_separation_open(srt_model *model, const srt_separation_options *options, srt_separation **separation,
                                char *message);
SRT_API void srt_separation_destroy(srt_separation *separation); /* NULL is allowed */

/* The stems that come out, in order; names: UTF-8, owned by the separation, NULL if there is none of that index. */
SRT_API int srt_separation_stems(const srt_separation *separation);
SRT_API const char *srt_separation_stem_name(const srt_separation *separation, int stem);
SRT_API int srt_separation_threads(const srt_separation *separation);

/* One of srt_wants. What is called out of turn does nothing: SRT_BAD_ARGUMENT, or none taken. */
SRT_API int srt_separation_wants(const srt_separation *separation);

/* The next `count` samples, 2 channels. *taken: how many were taken, fewer where something else is wanted first.
 * SRT_BAD_SAMPLE: the one behind these is no finite number or far beyond full scale. */
SRT_API int srt_separation_push(srt_separation *separation, const float *const *input, size_t count, size_t *taken);
SRT_API int srt_separation_finish(srt_separation *separation);

/* The tasks at hand: every one is run once, in any order and from any threads, each with a number of its own below
 * options.threads; when all have returned: complete. work: all of that, in options.threads threads (or as many as the
 * system gives) that stay until the separation is destroyed. */
SRT_API size_t srt_separation_tasks(const srt_separation *separation);
SRT_API int srt_separation_run(srt_separation *separation, size_t task, int thread);
SRT_API int srt_separation_complete(srt_separation *separation);
SRT_API int srt_separation_work(srt_separation *separation);

/* Samples that can be taken; the next ones of every stem, at most `count`, into outputs (2 channels of each stem, NULL
 * for one that is not wanted): how many were taken. */
SRT_API size_t srt_separation_ready(const srt_separation *separation);
SRT_API size_t srt_separation_take(srt_separation *separation, float *const *outputs, size_t count);

/* again: the signal begins once more, for the Wiener filter. reset: forgets the signal, at any time but while tasks
 * run. */
SRT_API int srt_separation_again(srt_separation *separation);
SRT_API int srt_separation_reset(srt_separation *separation);

/* In words; never NULL. */
SRT_API const char *srt_code_text(int code);
SRT_API const char *srt_version(void);

#ifdef __cplusplus
}
#endif

#endif
