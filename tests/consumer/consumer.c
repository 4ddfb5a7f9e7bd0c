/* What embeds the library: separates two sines, in C99 or C++11, and compares the sum of the stems with them.
 *
 *     consumer MODEL.safetensors
 *
 * prints version, stems, latency and the largest difference; 1 where that is too large. */
#include <spleeterrt.h>

#include <math.h>
#include <stdio.h>

enum { BLOCK = 512, BLOCKS = 260, MOST_STEMS = 8, RATE = 44100 };

static float songs[2][BLOCK * BLOCKS];
static float stems[MOST_STEMS][2][BLOCK];

int main(int argc, char **argv)
{
    char message[SRT_MESSAGE_SIZE];
    srt_options options = srt_default_options();
    srt_stream *stream;
    float *outputs[2 * MOST_STEMS];
    double worst = 0, loudest = 0;
    long latency;
    int i, n, count;

    if (argc != 2)
        return 2;
    options.frames = 64;
    options.hop_frames = 4;
    options.block = BLOCK;
    options.full_band = 1; /* so that the stems sum to the mix at all frequencies */
    options.realtime = 0;  /* as fast as it goes */
    stream = srt_create(argv[1], &options, message);
    if (!stream) {
        fprintf(stderr, "%s\n", message);
        return 1;
    }
    count = srt_stems(stream);
    latency = (long)srt_latency(stream);
    if (count > MOST_STEMS || BLOCK * BLOCKS < 2 * latency)
        return 2;
    for (i = 0; i < count; i++) {
        outputs[2 * i] = stems[i][0];
        outputs[2 * i + 1] = stems[i][1];
    }
    for (n = 0; n < BLOCK * BLOCKS; n++) {
        songs[0][n] = 0.5f * (float)sin(2 * 3.14159265358979 * 440 * n / RATE);
        songs[1][n] = 0.5f * (float)sin(2 * 3.14159265358979 * 660 * n / RATE);
    }
    for (n = 0; n < BLOCK * BLOCKS; n += BLOCK) {
        const float *input[2];
        int channel, k, code;
        input[0] = songs[0] + n;
        input[1] = songs[1] + n;
        code = srt_process(stream, input, outputs, BLOCK);
        if (code != SRT_OK) {
            fprintf(stderr, "%s\n", srt_code_text(code));
            return 1;
        }
        for (channel = 0; channel < 2; channel++)
            for (k = 0; k < BLOCK; k++) {
                double sum = 0, mix = n + k >= latency ? songs[channel][n + k - latency] : 0;
                for (i = 0; i < count; i++)
                    sum += stems[i][channel][k];
                worst = fmax(worst, fabs(sum - mix));
                loudest = fmax(loudest, fabs(sum));
            }
    }
    printf("%s: %d stems, latency %ld, difference %.2g\n", srt_version(), count, latency, worst);
    srt_destroy(stream);
    return worst < 1e-5 && loudest > 0.4 ? 0 : 1;
}
