/* A PortAudio with two sound systems, as Windows has them: the older one first, and the usual one. Its stream calls
 * back once, with a block of ones, when it is started. For tests/unit/test_portaudio.py and portaudio_client.cpp. */
#include <stddef.h>

#ifdef _WIN32
#define API __declspec(dllexport)
#else
#define API
#endif

typedef struct {
    int version;
    const char *name;
    int system, inputs, outputs;
    double low_in, low_out, high_in, high_out, rate;
} Device;
typedef struct {
    int version, type;
    const char *name;
    int devices, input, output;
} HostApi;
typedef struct {
    int device, channels;
    unsigned long format;
    double latency;
    void *specific;
} Parameters;
typedef struct {
    int version;
    double input, output, rate;
} StreamInfo;
typedef int Callback(const void *, void *, unsigned long, const void *, unsigned long, void *);

static const Device devices[] = {
    {2, "Microphone (USB)", 0, 2, 0, 0.09, 0.09, 0.2, 0.2, 44100},
    {2, "Speakers", 0, 0, 2, 0.09, 0.09, 0.2, 0.2, 44100},
    {2, "Headphones", 0, 0, 2, 0.09, 0.09, 0.2, 0.2, 44100},
    {2, "Microphone (USB)", 1, 2, 0, 0.003, 0.003, 0.01, 0.01, 48000},
    {2, "Headphones", 1, 0, 2, 0.003, 0.003, 0.01, 0.01, 48000},
    {2, "Speakers", 1, 0, 2, 0.003, 0.003, 0.01, 0.01, 48000},
};
static const HostApi systems[] = {{1, 2, "MME", 3, 0, 1}, {1, 13, "Windows WASAPI", 3, 3, 5}};
static const StreamInfo info = {1, 0.003, 0.004, 48000};

static Callback *callback;
static void *user;
static unsigned long block;

API int Pa_Initialize(void) { return 0; }
API int Pa_Terminate(void) { return 0; }
API const char *Pa_GetErrorText(int error) { return error == -9993 ? "Illegal combination of I/O devices" : "?"; }
API int Pa_GetDeviceCount(void) { return sizeof devices / sizeof *devices; }
API int Pa_GetDefaultInputDevice(void) { return 0; }
API int Pa_GetDefaultOutputDevice(void) { return 1; }
API const Device *Pa_GetDeviceInfo(int device) { return &devices[device]; }
API int Pa_GetHostApiCount(void) { return 2; }
API const HostApi *Pa_GetHostApiInfo(int system) { return &systems[system]; }
API int Pa_IsFormatSupported(const Parameters *in, const Parameters *out, double rate)
{
    (void)out;
    return devices[in->device].rate == rate ? 0 : -9997;
}
API int Pa_OpenStream(void **stream, const Parameters *in, const Parameters *out, double rate, unsigned long frames,
                      unsigned long flags, Callback *function, void *data)
{
    static int opened;
    (void)rate, (void)flags;
    if (devices[in->device].system != devices[out->device].system)
        return -9993;
    *stream = &opened;
    callback = function;
    user = data;
    block = frames;
    return 0;
}
API int Pa_StartStream(void *stream)
{
    static float in[2 * 65536], out[2 * 65536];
    (void)stream;
    for (unsigned long i = 0; i < 2 * block; i++)
        in[i] = out[i] = 1;
    callback(in, out, block, NULL, 0, user);
    return 0;
}
API int Pa_AbortStream(void *stream) { return (void)stream, 0; }
API int Pa_CloseStream(void *stream) { return (void)stream, 0; }
API int Pa_IsStreamActive(void *stream) { return (void)stream, 1; }
API const StreamInfo *Pa_GetStreamInfo(void *stream) { return (void)stream, &info; }
