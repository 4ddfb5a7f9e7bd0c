#include "live/portaudio.h"

#include <algorithm>
#include <cctype>

namespace spleeterrt {
namespace {

constexpr unsigned long float32 = 0x1;
constexpr unsigned long input_lost = 0x1 | 0x2, output_lost = 0x4 | 0x8; // under- and overflows
constexpr int proceed = 0;

std::string lower(std::string text)
{
    for (char &c : text)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

bool contains(const std::string &text, const std::string &part) { return lower(text).find(part) != std::string::npos; }

} // namespace

PortAudioApi::PortAudioApi(const std::vector<std::string> &names)
{
    const Library library(names);
    library.find(Initialize, "Pa_Initialize");
    library.find(Terminate, "Pa_Terminate");
    library.find(GetErrorText, "Pa_GetErrorText");
    library.find(GetDeviceCount, "Pa_GetDeviceCount");
    library.find(GetDefaultInputDevice, "Pa_GetDefaultInputDevice");
    library.find(GetDefaultOutputDevice, "Pa_GetDefaultOutputDevice");
    library.find(GetDeviceInfo, "Pa_GetDeviceInfo");
    library.find(GetHostApiCount, "Pa_GetHostApiCount");
    library.find(GetHostApiInfo, "Pa_GetHostApiInfo");
    library.find(IsFormatSupported, "Pa_IsFormatSupported");
    library.find(OpenStream, "Pa_OpenStream");
    library.find(StartStream, "Pa_StartStream");
    library.find(AbortStream, "Pa_AbortStream");
    library.find(CloseStream, "Pa_CloseStream");
    library.find(IsStreamActive, "Pa_IsStreamActive");
    library.find(GetStreamInfo, "Pa_GetStreamInfo");
}

PortAudioClient::PortAudioClient(const std::vector<std::string> &libraries, const std::string &input,
                                 const std::string &output, std::size_t stems, std::size_t stem, unsigned sample_rate,
                                 unsigned preferred, std::size_t block, const std::vector<float> &weights)
    : api_(libraries), block_(block), stem_(stem), downmix_(weights, block), channels_(downmix_.channels()),
      planes_((stems + 1) * 2 * block), outs_(stems + 1)
{
    for (std::size_t i = 0; i < outs_.size(); i++) {
        outs_[i].stride = 1;
        for (std::size_t c = 0; c < 2; c++)
            outs_[i].channel[c] = planes_.data() + (i * 2 + c) * block;
    }
    check(api_.Initialize(), "start");
    try {
        open(input, output, sample_rate, preferred);
        callback_.reset(new LiveCallback(stems, rate_, stem_));
    } catch (...) {
        if (stream_)
            api_.CloseStream(stream_);
        api_.Terminate();
        throw;
    }
}

PortAudioClient::~PortAudioClient()
{
    if (started_)
        api_.AbortStream(stream_);
    api_.CloseStream(stream_);
    api_.Terminate();
    callback_->forget();
}

void PortAudioClient::open(const std::string &input, const std::string &output, unsigned sample_rate,
                           unsigned preferred)
{
    const auto api_of = [this](int device) { return api_.GetDeviceInfo(device)->hostApi; };
    int from, to;
    if (input.empty() && !output.empty()) {
        to = find(output, false, -1);
        from = find(input, true, api_of(to));
    } else {
        from = find(input, true, -1);
        to = find(output, false, api_of(from));
    }
    const PaDeviceInfo &source = *api_.GetDeviceInfo(from), &sink = *api_.GetDeviceInfo(to);
    name_ = from == to ? source.name : std::string(source.name) + " -> " + sink.name;
    const int wanted = static_cast<int>(downmix_.channels());
    device_inputs_ = source.maxInputChannels;
    if (wanted > 2 && wanted > device_inputs_)
        throw std::runtime_error(std::string(source.name) + " has " + std::to_string(device_inputs_) +
                                 " input channels, the layout " + std::to_string(wanted));
    inputs_ = std::min(wanted, device_inputs_);
    const PaStreamParameters in = {from, inputs_, float32, source.defaultLowInputLatency, nullptr};
    const PaStreamParameters out = {to, 2, float32, sink.defaultLowOutputLatency, nullptr};
    if (sample_rate)
        rate_ = sample_rate;
    else if (api_.IsFormatSupported(&in, &out, preferred) == 0)
        rate_ = preferred;
    else
        rate_ = static_cast<unsigned>(sink.defaultSampleRate);
    check(api_.OpenStream(
              &stream_, &in, &out, rate_, static_cast<unsigned long>(block_), 0,
              [](const void *heard, void *played, unsigned long count, const void *, unsigned long flags, void *self) {
                  return static_cast<PortAudioClient *>(self)->process(static_cast<const float *>(heard),
                                                                       static_cast<float *>(played), count, flags);
              },
              this),
          ("open " + name_).c_str());
}

bool PortAudioClient::fits(int device, bool input) const
{
    const PaDeviceInfo *info = device < 0 ? nullptr : api_.GetDeviceInfo(device);
    return info && (input ? info->maxInputChannels >= 1 : info->maxOutputChannels >= 2);
}

// The device's name; with its sound system's, where there are several.
std::string PortAudioClient::label(int device) const
{
    const PaDeviceInfo *info = api_.GetDeviceInfo(device);
    const PaHostApiInfo *system = api_.GetHostApiCount() > 1 ? api_.GetHostApiInfo(info->hostApi) : nullptr;
    return std::string(info->name) + (system ? std::string(", ") + system->name : "");
}

// Of that sound system, if it has one; else (or api < 0) the usual one. Negative: none.
int PortAudioClient::default_device(bool input, int api) const
{
    const PaHostApiInfo *system = api < 0 ? nullptr : api_.GetHostApiInfo(api);
    for (const int device : {system ? (input ? system->defaultInputDevice : system->defaultOutputDevice) : -1,
                             input ? api_.GetDefaultInputDevice() : api_.GetDefaultOutputDevice()})
        if (fits(device, input))
            return device;
    return -1;
}

// api: the sound system of the other device; negative: it is not known yet.
int PortAudioClient::find(const std::string &wanted, bool input, int api) const
{
    const std::string kind = input ? "input" : "output";
    if (wanted.empty()) {
        const int device = default_device(input, api);
        if (device < 0)
            throw std::runtime_error("this machine has no " + kind + " device");
        return device;
    }
    const bool number = wanted.find_first_not_of("0123456789") == std::string::npos && wanted.size() < 6;
    const std::string part = lower(wanted);
    std::string known;
    int found = -1;
    for (int device = 0; device < api_.GetDeviceCount(); device++) {
        if (!fits(device, input))
            continue;
        const PaDeviceInfo &info = *api_.GetDeviceInfo(device);
        const bool by_name =
            contains(info.name, part) || (part.find(", ") != std::string::npos && contains(label(device), part));
        if (number ? device == std::stoi(wanted)
                   : by_name && (found < 0 || (info.hostApi == api && api_.GetDeviceInfo(found)->hostApi != api)))
            found = device;
        known += "\n  " + std::to_string(device) + ": " + label(device);
    }
    for (int system = 0; found < 0 && !number && system < api_.GetHostApiCount(); system++) {
        const PaHostApiInfo *info = api_.GetHostApiInfo(system);
        const int device = info ? (input ? info->defaultInputDevice : info->defaultOutputDevice) : -1;
        if (info && contains(info->name, part) && fits(device, input))
            found = device;
    }
    if (found < 0)
        throw std::runtime_error("no " + kind + " device " + wanted +
                                 "; there are:" + (known.empty() ? " none" : known));
    return found;
}

void PortAudioClient::check(int error, const char *doing) const
{
    if (error < 0)
        throw std::runtime_error(std::string("cannot ") + doing + ": " + api_.GetErrorText(error));
}

void PortAudioClient::start()
{
    check(api_.StartStream(stream_), "start the device");
    started_ = true;
}

double PortAudioClient::device_latency() const
{
    const PaStreamInfo *info = api_.GetStreamInfo(stream_);
    return info ? info->inputLatency + info->outputLatency : 0.0;
}

std::string PortAudioClient::ended() const
{
    return started_ && api_.IsStreamActive(stream_) != 1 ? "the device stopped" : "";
}

int PortAudioClient::process(const float *in, float *out, std::size_t count, unsigned long flags)
{
    if (flags & (input_lost | output_lost))
        callback_->xrun();
    static const float zero = 0.0f;
    for (std::size_t c = 0; c < channels_.size(); c++)
        channels_[c] = in ? in + std::min(static_cast<int>(c), inputs_ - 1) : &zero;
    // The driver keeps the block that was asked for; should it not, silence is better than a wrong place in memory.
    const std::size_t n = std::min(count, block_);
    callback_->run(downmix_.mix(channels_.data(), in ? inputs_ : 0, n), outs_.data(), outs_.back(), n);
    const StreamOutput &chosen = outs_[stem_];
    for (std::size_t i = 0; i < count; i++)
        for (std::size_t c = 0; c < 2; c++)
            out[i * 2 + c] = i < n ? chosen.channel[c][i] : 0.0f;
    return proceed;
}

} // namespace spleeterrt
