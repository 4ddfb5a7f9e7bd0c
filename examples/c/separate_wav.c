/* Separates a WAV file block by block, as an audio program would, without Python:
 *
 *     separate_wav MODEL.safetensors SONG.wav FOLDER [BLOCK [HOP_FRAMES]]
 *
 * writes FOLDER/<stem>.wav (float32, as long as the song; RF64 beyond 4 GiB). BLOCK: samples at a time (256);
 * HOP_FRAMES: new frames per run of the networks (2; 0: double-buffered). Reads WAV and RF64 of 16, 24 and 32 bits and
 * float32, also of unknown length, as recorders and pipes leave them; of more than two channels the first two. */
#include "spleeterrt.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>

#include <shellapi.h>
#endif

enum { most_stems = 64, most_block = 65536, most_channels = 255, header_bytes = 80 };

#define UNKNOWN UINT64_MAX

struct wav {
    FILE *file;
    unsigned format, channels, rate, bytes, shift; /* bytes: of a sample; shift: of its bits, up to 32 */
    uint64_t frames;                               /* or UNKNOWN: up to the end */
};

/* Paths are UTF-8 here, as in the library; Windows' C library takes them in wide characters alone. */
#ifdef _WIN32
static wchar_t *wide(const char *text)
{
    const int size = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
    wchar_t *made = malloc((size_t)size * sizeof(wchar_t));
    if (made)
        MultiByteToWideChar(CP_UTF8, 0, text, -1, made, size);
    return made;
}

static FILE *open_file(const char *path, const char *mode)
{
    wchar_t *name = wide(path), *how = wide(mode);
    FILE *file = name && how ? _wfopen(name, how) : NULL;
    free(name);
    free(how);
    return file;
}

static int remove_file(const char *path)
{
    wchar_t *name = wide(path);
    const int failed = name ? _wremove(name) : -1;
    free(name);
    return failed;
}

static int replace_file(const char *made, const char *target)
{
    wchar_t *from = wide(made), *to = wide(target);
    const int moved = from && to && MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING);
    free(from);
    free(to);
    if (!moved)
        errno = EACCES; /* a player has it open, say */
    return moved ? 0 : -1;
}

/* The command line in UTF-8: that of `main` lacks what is not in the system's old character set. */
static char **utf8_arguments(int *count)
{
    wchar_t **words = CommandLineToArgvW(GetCommandLineW(), count);
    char **made = words ? malloc((size_t)*count * sizeof *made) : NULL;
    for (int i = 0; made && i < *count; i++) {
        const int size = WideCharToMultiByte(CP_UTF8, 0, words[i], -1, NULL, 0, NULL, NULL);
        if (!(made[i] = malloc((size_t)size)))
            return NULL;
        WideCharToMultiByte(CP_UTF8, 0, words[i], -1, made[i], size, NULL, NULL);
    }
    LocalFree(words);
    return made;
}
#else
#define open_file fopen
#define remove_file remove
#define replace_file rename
#endif

static uint64_t little(const unsigned char *bytes, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

/* Past `count` bytes, however many: `long` may have 32 bits. */
static int skip_bytes(FILE *file, uint64_t count)
{
    unsigned char some[4096];
    while (count > 0) {
        const size_t n = count < sizeof some ? (size_t)count : sizeof some;
        if (fread(some, 1, n, file) != n)
            return 0;
        count -= n;
    }
    return 1;
}

static const char *read_format(struct wav *wav, const unsigned char *format, size_t size)
{
    const unsigned bits = (unsigned)little(format + 14, 2), frame = (unsigned)little(format + 12, 2);
    wav->format = (unsigned)little(format, 2);
    wav->channels = (unsigned)little(format + 2, 2);
    wav->rate = (unsigned)little(format + 4, 4);
    if (wav->channels < 1 || wav->channels > most_channels || frame % wav->channels || !wav->rate)
        return "has a format that makes no sense";
    wav->bytes = frame / wav->channels;
    /* Samples lie at the top of their bytes, but 24 bits in four bytes, as arecord -f S24_LE writes them, at the
     * bottom. */
    wav->shift = 32 - (bits == 24 && wav->bytes == 4 && wav->format == 1 ? 24 : 8 * wav->bytes);
    if (wav->format == 0xfffe && size >= 26) /* extensible */
        wav->format = (unsigned)little(format + 24, 2);
    if (!(wav->format == 1 && wav->bytes >= 2 && wav->bytes <= 4 && (bits + 7) / 8 <= wav->bytes) &&
        !(wav->format == 3 && wav->bytes == 4))
        return "has a format that this example does not read";
    return NULL;
}

/* Programs that do not know the length write 0, all ones, or about half of that. */
static int means_unknown(uint64_t size)
{
    return size == 0 || size == UNKNOWN || (size >= 0x7fff0000 && size <= 0x80000100) ||
           (size >= 0xfffff000 && size <= 0xffffffff);
}

/* Stands at the first sample then; the reason of a failure, or NULL. */
static const char *open_wav(const char *path, struct wav *wav)
{
    unsigned char head[12], chunk[8], body[40];
    uint64_t long_size = UNKNOWN;
    memset(wav, 0, sizeof *wav);
    wav->file = open_file(path, "rb");
    if (!wav->file)
        return strerror(errno);
    if (fread(head, 1, 12, wav->file) != 12 || memcmp(head + 8, "WAVE", 4) ||
        (memcmp(head, "RIFF", 4) && memcmp(head, "RF64", 4) && memcmp(head, "BW64", 4)))
        return "is not a WAV file";
    while (fread(chunk, 1, 8, wav->file) == 8) {
        uint64_t size = little(chunk + 4, 4);
        if (!memcmp(chunk, "data", 4)) {
            if (!wav->channels)
                return "has no format before its samples";
            if (size == 0xffffffff && !means_unknown(long_size))
                wav->frames = long_size / (wav->channels * wav->bytes);
            else
                wav->frames = means_unknown(size) ? UNKNOWN : size / (wav->channels * wav->bytes);
            return NULL;
        }
        const size_t n = size < sizeof body ? (size_t)size : sizeof body;
        if (fread(body, 1, n, wav->file) != n)
            return "is damaged";
        if (!memcmp(chunk, "fmt ", 4)) {
            const char *problem = n < 16 ? "is damaged" : read_format(wav, body, n);
            if (problem)
                return problem;
        } else if (!memcmp(chunk, "ds64", 4) && n >= 16) {
            long_size = little(body + 8, 8);
        }
        if (!skip_bytes(wav->file, size - n + size % 2))
            return "is damaged";
    }
    return "has no samples";
}

/* Up to `count` frames as float32, both channels; how many there were. */
static size_t read_wav(struct wav *wav, float *const *samples, size_t count)
{
    unsigned char frame[4 * most_channels];
    size_t n = 0;
    for (; n < count && wav->frames > 0; n++) {
        if (fread(frame, wav->bytes, wav->channels, wav->file) != wav->channels)
            break;
        if (wav->frames != UNKNOWN)
            wav->frames--;
        for (unsigned c = 0; c < 2; c++) {
            const unsigned char *at = frame + (c < wav->channels ? c : 0) * wav->bytes;
            const uint32_t value = (uint32_t)little(at, (int)wav->bytes) << wav->shift;
            if (wav->format == 3) {
                memcpy(&samples[c][n], at, sizeof(float));
            } else {
                int32_t whole;
                memcpy(&whole, &value, sizeof whole);
                samples[c][n] = (float)whole / 2147483648.0f;
            }
        }
    }
    return n;
}

static unsigned char *put(unsigned char *to, uint64_t value, int count)
{
    for (int i = 0; i < count; i++)
        to[i] = (unsigned char)(value >> 8 * i);
    return to + count;
}

static unsigned char *put_name(unsigned char *to, const char *name)
{
    memcpy(to, name, 4);
    return to + 4;
}

/* Of stereo float32. Room for 64-bit sizes is there from the beginning: more than 4 GiB make it an RF64. */
static int write_header(FILE *file, unsigned rate, uint64_t frames)
{
    unsigned char head[header_bytes] = {0}, *at = head;
    const uint64_t data = 8 * frames, whole = header_bytes - 8 + data;
    const int large = whole > 0xfffffffe;
    at = put_name(at, large ? "RF64" : "RIFF");
    at = put_name(put(at, large ? 0xffffffff : whole, 4), "WAVE");
    at = put(put_name(at, large ? "ds64" : "JUNK"), 28, 4);
    if (large)
        put(put(put(at, whole, 8), data, 8), frames, 8);
    at = put(put_name(at + 28, "fmt "), 16, 4);
    at = put(put(put(at, 3, 2), 2, 2), rate, 4);                /* float, stereo */
    at = put(put(put(at, (uint64_t)rate * 8, 4), 8, 2), 32, 2); /* bytes a second, a frame; bits a sample */
    put(put_name(at, "data"), large ? 0xffffffff : data, 4);
    return fseek(file, 0, SEEK_SET) == 0 && fwrite(head, 1, sizeof head, file) == sizeof head;
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

/* What is under way: files have another name until they are complete, so that nothing half-written is left. */
static struct {
    const char *folder;
    srt_stream *stream;
    FILE *files[most_stems];
    int count;
} work;

static int stem_path(char *path, size_t size, int stem, const char *ending)
{
    const int n = snprintf(path, size, "%s/%s.wav%s", work.folder, srt_stem_name(work.stream, stem), ending);
    return n > 0 && (size_t)n < size;
}

static int fail(const char *what, const char *why)
{
    char path[4096];
    fprintf(stderr, "separate_wav: %s%s%s\n", what, *what ? " " : "", why);
    for (int s = 0; s < work.count; s++) {
        if (work.files[s])
            fclose(work.files[s]);
        if (stem_path(path, sizeof path, s, ".part"))
            remove_file(path);
    }
    return 1;
}

int main(int argc, char **argv)
{
    struct wav song;
    char message[SRT_MESSAGE_SIZE], path[4096], part[4096];
    float *input[2], *outputs[2 * most_stems];
    const char *problem;

#ifdef _WIN32
    if (!(argv = utf8_arguments(&argc)))
        return fail("", "not enough memory");
#endif
    if (argc < 4 || argc > 6)
        return fail("usage:", "separate_wav MODEL.safetensors SONG.wav FOLDER [BLOCK [HOP_FRAMES]]");
    char *end = "";
    const long block = argc > 4 ? strtol(argv[4], &end, 10) : 256;
    if (block < 1 || block > most_block || *end)
        return fail(argv[4], "is not a block size");
    const long hop_frames = argc > 5 ? strtol(argv[5], &end, 10) : 2;
    if (hop_frames < 0 || hop_frames > 512 || *end || (argc > 5 && !*argv[5]))
        return fail(argv[5], "is not a number of frames");
    if ((problem = open_wav(argv[2], &song)))
        return fail(argv[2], problem);
    if (song.channels > 2)
        fprintf(stderr, "separate_wav: %s: of %u channels the first two are used\n", argv[2], song.channels);

    srt_options options = srt_default_options();
    options.max_block = (int)block;
    options.hop_frames = (int)hop_frames;
    options.sample_rate = (int)song.rate;
    options.realtime = 0; /* there is time: wait for the networks */
    srt_stream *stream = srt_create(argv[1], &options, message);
    if (!stream)
        return fail("", message);
    const int stems = srt_stems(stream);
    if (stems > most_stems)
        return fail(argv[1], "has too many stems for this example");
    work.folder = argv[3];
    work.stream = stream;

    const size_t latency = srt_latency(stream);
    const size_t room = latency > (size_t)block ? latency : (size_t)block;
    for (int c = 0; c < 2; c++)
        if (!(input[c] = malloc((size_t)block * sizeof(float))))
            return fail("", "not enough memory");
    for (int s = 0; s < stems; s++) {
        for (int c = 0; c < 2; c++)
            if (!(outputs[2 * s + c] = malloc(room * sizeof(float))))
                return fail("", "not enough memory");
        if (!stem_path(path, sizeof path, s, "") || !stem_path(part, sizeof part, s, ".part"))
            return fail(argv[3], "is too long");
        if (!strcmp(path, argv[2]))
            return fail(path, "would replace the song; choose another folder");
        if (!(work.files[s] = open_file(part, "wb")))
            return fail(part, strerror(errno));
        work.count = s + 1;
        if (!write_header(work.files[s], song.rate, 0))
            return fail(part, "cannot be written");
    }

    /* The stems come `latency` samples late: as many are dropped at the beginning and flushed at the end. */
    size_t skip = latency, count;
    uint64_t frames = 0;
    while ((count = read_wav(&song, input, (size_t)block)) > 0) {
        const float *const in[2] = {input[0], input[1]};
        if (srt_process(stream, in, outputs, count) != SRT_OK)
            return fail("", "a block was refused");
        const size_t dropped = skip < count ? skip : count;
        for (int s = 0; s < stems; s++)
            if (!write_block(work.files[s], &outputs[2 * s], count, dropped))
                return fail(argv[3], "is full");
        skip -= dropped;
        frames += count;
    }
    if (ferror(song.file))
        return fail(argv[2], "cannot be read to its end");
    if (song.frames != UNKNOWN && song.frames > 0)
        fprintf(stderr, "separate_wav: %s ends %llu samples before the length in its header\n", argv[2],
                (unsigned long long)song.frames);
    srt_flush(stream, outputs, NULL);
    for (int s = 0; s < stems; s++) {
        FILE *file = work.files[s];
        if (!write_block(file, &outputs[2 * s], latency, skip) || !write_header(file, song.rate, frames))
            return fail(argv[3], "is full");
        work.files[s] = NULL;
        if (fclose(file))
            return fail(argv[3], "is full");
    }
    for (int s = 0; s < stems; s++) {
        stem_path(path, sizeof path, s, "");
        stem_path(part, sizeof part, s, ".part");
        if (replace_file(part, path))
            return fail(path, strerror(errno));
    }

    srt_stats stats;
    srt_get_stats(stream, &stats, sizeof stats);
    printf("%llu samples, %d stems, latency %llu samples, %llu runs of the networks\n", (unsigned long long)frames,
           stems, (unsigned long long)latency, (unsigned long long)stats.runs);
    srt_destroy(stream);
    for (int c = 0; c < 2; c++)
        free(input[c]);
    for (int i = 0; i < 2 * stems; i++)
        free(outputs[i]);
    fclose(song.file);
    return 0;
}
