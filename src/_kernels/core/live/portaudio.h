// The sound card through PortAudio, where there is no JACK server. The library is looked for at run time.
#ifndef SPLEETERRT_LIVE_PORTAUDIO_H
#define SPLEETERRT_LIVE_PORTAUDIO_H

#include "live/callback.h"
#include "live/library.h"

#include <string>
#include <vector>

// What is used of portaudio.h; version 19, whose ABI is fixed.
extern "C" {
typedef struct {
    int structVersion;
    const char *name;
    int hostApi;
    int maxInputChannels, maxOutputChannels;
    double defaultLowInputLatency, defaultLowOutputLatency, defaultHighInputLatency, defaultHighOutputLatency;
    double defaultSampleRate;
} PaDeviceInfo;
typedef struct {
    int structVersion, type;
    const char *name;
    int deviceCount, defaultInputDevice, defaultOutputDevice;
} PaHostApiInfo;
typedef struct {
    int device, channelCount;
    unsigned long sampleFormat;
    double suggestedLatency;
    void *hostApiSpecificStreamInfo;
} PaStreamParameters;
typedef struct {
    int structVersion;
    double inputLatency, outputLatency, sampleRate;
} PaStreamInfo;
typedef int PaStreamCallback(const void *, void *, unsigned long, const void *, unsigned long, void *);
}

namespace spleeterrt {

struct PortAudioApi {
    explicit PortAudioApi(const std::vector<std::string> &names);

    int (*Initialize)(), (*Terminate)();
    const char *(*GetErrorText)(int);
    int (*GetDeviceCount)(), (*GetDefaultInputDevice)(), (*GetDefaultOutputDevice)();
    const PaDeviceInfo *(*GetDeviceInfo)(int);
    int (*GetHostApiCount)();
    const PaHostApiInfo *(*GetHostApiInfo)(int);
    int (*IsFormatSupported)(const PaStreamParameters *, const PaStreamParameters *, double);
    int (*OpenStream)(void **, const PaStreamParameters *, const PaStreamParameters *, double, unsigned long,
                      unsigned long, PaStreamCallback *, void *);
    int (*StartStream)(void *), (*AbortStream)(void *), (*CloseStream)(void *), (*IsStreamActive)(void *);
    const PaStreamInfo *(*GetStreamInfo)(void *);
};

// Stereo in (mono is duplicated, more channels are mixed by weights); out: the mix under the gains, or one stem.
class PortAudioClient : public AudioClient {
public:
    // input, output: a part of the device's name (where there are several sound systems, as on Windows, followed by a
    // comma and its system's), its number, a part of a system's name for that one's default device, or "" for the
    // default one. Both have to be of one system: of several devices that fit, the other's is taken. stem: what is
    // played; as many as there are stems: the mix. sample_rate 0: `preferred` if the device has it, else the device's
    // own. weights: as of Downmix.
    PortAudioClient(const std::vector<std::string> &libraries, const std::string &input, const std::string &output,
                    std::size_t stems, std::size_t stem, unsigned sample_rate, unsigned preferred, std::size_t block,
                    const std::vector<float> &weights);
    ~PortAudioClient() override;
    PortAudioClient(const PortAudioClient &) = delete;
    PortAudioClient &operator=(const PortAudioClient &) = delete;

    std::string name() const override { return name_; }
    unsigned sample_rate() const override { return rate_; }
    std::size_t block() const override { return block_; }
    double device_latency() const override; // in and out
    int device_inputs() const override { return device_inputs_; }
    std::string ended() const override;
    void use(const LiveSource *source) override { callback_->use(source); }
    void start() override;
    LiveCallback &callback() override { return *callback_; }

private:
    void open(const std::string &input, const std::string &output, unsigned sample_rate, unsigned preferred);
    int find(const std::string &wanted, bool input, int api) const;
    int default_device(bool input, int api) const;
    bool fits(int device, bool input) const;
    std::string label(int device) const;
    void check(int error, const char *doing) const;
    int process(const float *in, float *out, std::size_t count, unsigned long flags);

    PortAudioApi api_;
    std::string name_;
    void *stream_ = nullptr;
    unsigned rate_ = 0;
    const std::size_t block_, stem_;
    Downmix downmix_;
    int inputs_ = 2, device_inputs_ = 0;
    std::vector<const float *> channels_; // of the input
    bool started_ = false;
    std::unique_ptr<LiveCallback> callback_;
    std::vector<float> planes_; // [stems + 1][2][block]
    std::vector<StreamOutput> outs_;
};

} // namespace spleeterrt

#endif
