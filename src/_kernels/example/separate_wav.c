/* Separates a WAV file block by block, as an audio program would, without Python:
 *
 *     separate_wav MODEL.safetensors SONG.wav FOLDER [BLOCK [HOP_FRAMES]]
 *
 * writes FOLDER/<stem>.wav (float32, as long as the song). BLOCK: samples at a time (256); HOP_FRAMES: new frames
 * per run of the networks (2; 0: double-buffered). 16-bit, 24-bit, 32-bit and float32 WAV, one or two channels. */
#include "spleeterrt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_stems = 16, most_block = 65536 };

struct wav {
    FILE *file;
    unsigned format, channels, rate, bits;
    unsigned long frames;
};

static unsigned long little(const unsigned char *bytes, int count)
{
    unsigned long value = 0;
    for (int i = 0; i < count; i++)
        value |= (unsigned long)bytes[i] << 8 * i;
    return value;
}

/* Stands at the first sample then; the reason of a failure, or NULL. */
static const char *open_wav(const char *path, struct wav *wav)
{
    unsigned char head[12], chunk[8], format[40];
    memset(wav, 0, sizeof *wav);
    wav->file = fopen(path, "rb");
    if (!wav->file)
        return "cannot be opened";
    if (fread(head, 1, 12, wav->file) != 12 || memcmp(head, "RIFF", 4) || memcmp(head + 8, "WAVE", 4))
        return "is not a WAV file";
    while (fread(chunk, 1, 8, wav->file) == 8) {
        const unsigned long size = little(chunk + 4, 4);
        if (!memcmp(chunk, "fmt ", 4)) {
            const size_t n = size < sizeof format ? size : sizeof format;
            if (n < 16 || fread(format, 1, n, wav->file) != n)
                return "is damaged";
            wav->format = (unsigned)little(format, 2);
            if (wav->format == 0xfffe && n >= 26) /* extensible */
                wav->format = (unsigned)little(format + 24, 2);
            wav->channels = (unsigned)little(format + 2, 2);
            wav->rate = (unsigned)little(format + 4, 4);
            wav->bits = (unsigned)little(format + 14, 2);
            if (fseek(wav->file, (long)(size - n + size % 2), SEEK_CUR))
                return "is damaged";
        } else if (!memcmp(chunk, "data", 4)) {
            if (wav->channels < 1 || wav->channels > 2 || !wav->rate ||
                !((wav->format == 1 && (wav->bits == 16 || wav->bits == 24 || wav->bits == 32)) ||
                  (wav->format == 3 && wav->bits == 32)))
                return "has a format that this example does not read";
            wav->frames = size / (wav->channels * wav->bits / 8);
            return NULL;
        } else if (fseek(wav->file, (long)(size + size % 2), SEEK_CUR)) {
            return "is damaged";
        }
    }
    return "has no samples";
}

/* Up to `count` frames as float32, both channels; how many there were. */
static size_t read_wav(struct wav *wav, float *const *samples, size_t count)
{
    unsigned char frame[8];
    const unsigned bytes = wav->bits / 8;
    size_t n = 0;
    for (; n < count && wav->frames > 0; n++, wav->frames--) {
        if (fread(frame, bytes, wav->channels, wav->file) != wav->channels)
            break;
        for (unsigned c = 0; c < 2; c++) {
            const unsigned char *at = frame + (c < wav->channels ? c : 0) * bytes;
            const unsigned value = (unsigned)little(at, (int)bytes) << (32 - wav->bits);
            if (wav->format == 3) {
                memcpy(&samples[c][n], at, sizeof(float));
            } else {
                int whole;
                memcpy(&whole, &value, sizeof whole);
                samples[c][n] = (float)whole / 2147483648.0f;
            }
        }
    }
    return n;
}

static void put(unsigned char *to, unsigned long value, int count)
{
    for (int i = 0; i < count; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

static int write_header(FILE *file, unsigned rate, unsigned long frames)
{
    unsigned char head[44] = "RIFF    WAVEfmt                     data";
    put(head + 4, 36 + frames * 8, 4);
    put(head + 16, 16, 4);
    put(head + 20, 3, 2); /* float */
    put(head + 22, 2, 2);
    put(head + 24, rate, 4);
    put(head + 28, rate * 8, 4);
    put(head + 32, 8, 2);
    put(head + 34, 32, 2);
    put(head + 40, frames * 8, 4);
    return fseek(file, 0, SEEK_SET) == 0 && fwrite(head, 1, 44, file) == 44;
}

/* The part of a block that lies behind `*skip` more samples; false: the disk is full. */
static int write_block(FILE *file, float *const *channels, size_t count, size_t skip)
{
    for (size_t i = skip; i < count; i++) {
        const float frame[2] = {channels[0][i], channels[1][i]};
        if (fwrite(frame, sizeof frame, 1, file) != 1)
            return 0;
    }
    return 1;
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "separate_wav: %s %s\n", what, why);
    return 1;
}

int main(int argc, char **argv)
{
    struct wav song;
    char message[SRT_MESSAGE_SIZE], path[4096];
    float *input[2], *outputs[2 * most_stems];
    FILE *files[most_stems];
    const char *problem;

    if (argc < 4 || argc > 6)
        return fail("usage:", "separate_wav MODEL.safetensors SONG.wav FOLDER [BLOCK [HOP_FRAMES]]");
    const long block = argc > 4 ? atol(argv[4]) : 256;
    if (block < 1 || block > most_block)
        return fail(argv[4], "is not a block size");
    if ((problem = open_wav(argv[2], &song)))
        return fail(argv[2], problem);

    srt_options options = srt_default_options();
    options.max_block = (int)block;
    options.hop_frames = argc > 5 ? atoi(argv[5]) : 2;
    options.sample_rate = (int)song.rate;
    options.realtime = 0; /* there is time: wait for the networks */
    srt_stream *stream = srt_create(argv[1], &options, message);
    if (!stream)
        return fail("", message);
    const int stems = srt_stems(stream);
    if (stems > most_stems)
        return fail(argv[1], "has too many stems for this example");

    const size_t latency = srt_latency(stream);
    const size_t room = latency > (size_t)block ? latency : (size_t)block;
    for (int c = 0; c < 2; c++)
        if (!(input[c] = malloc((size_t)block * sizeof(float))))
            return fail("", "not enough memory");
    for (int s = 0; s < stems; s++) {
        for (int c = 0; c < 2; c++)
            if (!(outputs[2 * s + c] = malloc(room * sizeof(float))))
                return fail("", "not enough memory");
        snprintf(path, sizeof path, "%s/%s.wav", argv[3], srt_stem_name(stream, s));
        if (!(files[s] = fopen(path, "wb")) || !write_header(files[s], song.rate, 0))
            return fail(path, "cannot be written");
    }

    /* The stems come `latency` samples late: as many are dropped at the beginning and flushed at the end. */
    size_t skip = latency, count;
    unsigned long frames = 0;
    while ((count = read_wav(&song, input, (size_t)block)) > 0) {
        const float *const in[2] = {input[0], input[1]};
        if (srt_process(stream, in, outputs, count) != SRT_OK)
            return fail("", "a block was refused");
        const size_t dropped = skip < count ? skip : count;
        for (int s = 0; s < stems; s++)
            if (!write_block(files[s], &outputs[2 * s], count, dropped))
                return fail(argv[3], "is full");
        skip -= dropped;
        frames += count;
    }
    srt_flush(stream, outputs, NULL);
    for (int s = 0; s < stems; s++) {
        if (!write_block(files[s], &outputs[2 * s], latency, skip) || !write_header(files[s], song.rate, frames) ||
            fclose(files[s]))
            return fail(argv[3], "is full");
    }

    srt_stats stats;
    srt_get_stats(stream, &stats);
    printf("%lu samples, %d stems, latency %lu samples, %lu runs of the networks\n", frames, stems,
           (unsigned long)latency, (unsigned long)stats.runs);
    srt_destroy(stream);
    for (int c = 0; c < 2; c++)
        free(input[c]);
    for (int i = 0; i < 2 * stems; i++)
        free(outputs[i]);
    fclose(song.file);
    return 0;
}
