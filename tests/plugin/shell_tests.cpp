// The shell as adapters use it whose hosts take another latency at once (VST3, LV2):
// shell_tests CHECK [MODEL]
#include "network/byte_source.h"
#include "shell/models.h"
#include "shell/shell.h"
#include "sound.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace spleeterrt::plugin;

namespace {

int failed = 0;

void check(bool good, const std::string &what)
{
    std::printf("%s: %s\n", good ? "ok" : "FAILED", what.c_str());
    failed += !good;
}

constexpr double rate = 44100;
constexpr std::uint32_t block = 256;

// Plays on and on: `next` gives the output for the next samples of `input`.
class Player {
public:
    Player(int stems, bool offline) : shell(*product_of_stems(stems), LatencyChange::at_once, "")
    {
        shell.set_offline(offline);
        shell.activate(rate, block);
    }

    Channels next(const Channels &input, bool in_time = false)
    {
        const std::size_t length = input[0].size();
        Channels output(2 * static_cast<std::size_t>(buses(shell.product())), std::vector<float>(length));
        const auto begun = std::chrono::steady_clock::now();
        for (std::size_t at = 0; at < length; at += block) {
            const std::uint32_t n = static_cast<std::uint32_t>(std::min<std::size_t>(block, length - at));
            const float *in[2] = {input[0].data() + at, input[1].data() + at};
            std::vector<float *> out;
            for (std::vector<float> &channel : output)
                out.push_back(channel.data() + at);
            shell.process(in, out.data(), n);
            if (in_time)
                std::this_thread::sleep_until(begun +
                                              std::chrono::duration<double>(static_cast<double>(at + n) / rate));
        }
        return output;
    }
    void set(Kind kind, double value) { shell.set_value(shell.parameters().index_of(kind), value); }

    Shell shell;
};

Channels sine(double seconds, std::size_t from)
{
    Channels out(2, std::vector<float>(static_cast<std::size_t>(seconds * rate)));
    for (std::size_t i = 0; i < out[0].size(); i++)
        out[0][i] = out[1][i] = static_cast<float>(0.5 * std::sin(6.283185307179586 * 220 * double(from + i) / rate));
    return out;
}

// A click is where the second difference is large.
double roughest(const std::vector<float> &x)
{
    double worst = 0;
    for (std::size_t i = 2; i < x.size(); i++)
        worst = std::max(worst, std::fabs(double(x[i]) - 2.0 * x[i - 1] + x[i - 2]));
    return worst;
}

void check_clicks(bool in_time)
{
    Player player(2, !in_time);
    const double smooth = 0.5 * std::pow(6.283185307179586 * 220 / rate, 2);
    std::size_t at = 0;
    std::vector<float> heard;
    const auto play = [&](double seconds) {
        const Channels in = sine(seconds, at);
        at += in[0].size();
        const Channels out = player.next(in, in_time);
        heard.insert(heard.end(), out[0].begin(), out[0].end());
    };
    play(in_time ? 2 : 8); // also what the longest mode would still have to hear
    const std::vector<int> modes = in_time ? std::vector<int>{0, 1, 0} : std::vector<int>{0, 1, 2, 0, 2, 1};
    for (const int mode : modes) {
        const std::uint32_t before = player.shell.latency(), changes = player.shell.latency_changes();
        player.set(Kind::mode, mode);
        play(0.5);
        for (int i = 0; i < 60 && player.shell.latency_changes() == changes; i++)
            play(0.5); // the engine is made, and hears what it needs
        play(0.5);
        check(player.shell.latency() != before && player.shell.latency_changes() == changes + 1,
              "mode " + std::to_string(mode) + ": latency " + std::to_string(before) + " to " +
                  std::to_string(player.shell.latency()));
        const std::vector<float> last(heard.end() - 4410, heard.end());
        const Channels in = sine(0.1, at - 4410 - player.shell.latency());
        const double null = difference(last, in[0]);
        check(null < -100, "then the mix is the input again: " + std::to_string(null) + " dB");
    }
    const std::size_t begun = 6000; // the sine begins with an edge
    const double worst = roughest({heard.begin() + static_cast<std::ptrdiff_t>(begun), heard.end()});
    check(worst < 2 * smooth, "no clicks: " + std::to_string(worst / smooth) + " of what a sine has");
}

// The stem for late networks, and the model, change while it plays: the sum of the stems stays what it is.
void check_changes(const std::string &model, bool in_time)
{
    Player player(4, !in_time);
    Channels input(2), output(10);
    const auto play_some = [&] {
        const Channels in = music(rate, in_time ? 0.8 : 0.5), out = player.next(in, in_time);
        for (std::size_t c = 0; c < 2; c++)
            input[c].insert(input[c].end(), in[c].begin(), in[c].end());
        for (std::size_t c = 0; c < output.size(); c++)
            output[c].insert(output[c].end(), out[c].begin(), out[c].end());
    };
    const auto play = [&] {
        for (int i = 0; i < 60 && (i == 0 || player.shell.status().phase == Phase::loading); i++)
            play_some();
        play_some(); // until the engine has taken over
    };
    play();
    check(player.shell.status().phase == Phase::ready, player.shell.status().message);
    player.set(Kind::late, 0);
    play();
    player.shell.set_model(model);
    play();
    check(player.shell.status().phase == Phase::ready, player.shell.status().message);
    player.shell.set_model("/nonexistent.safetensors");
    play();
    check(player.shell.status().phase == Phase::failed, player.shell.status().message);
    player.shell.set_model("");
    play();
    check(player.shell.status().phase == Phase::ready, player.shell.status().message);
    const std::vector<float> expected = delayed(input[0], player.shell.latency());
    std::vector<float> sum(expected.size());
    for (std::size_t i = 0; i < sum.size(); i++)
        sum[i] = output[2][i] + output[4][i] + output[6][i] + output[8][i];
    const double null = difference(sum, expected);
    check(null < -120, "sum of the stems through all changes: " + std::to_string(null) + " dB");
    check(level(output[2], output[2].size() / 2) > -80, "the stems are not silent");
    check(player.shell.latency_changes() <= 1, "the latency has not changed");
}

// A host that restarts the plugin (a new project, another device) while another mode is faded to, or cannot be yet.
void check_restart()
{
    for (const int mode : {0, 2}) {
        Player player(2, true), other(2, true);
        other.shell.deactivate();
        other.set(Kind::mode, mode);
        other.shell.activate(rate, block);
        player.next(sine(1, 0));
        player.set(Kind::mode, mode);
        player.next(sine(block / rate, 0));
        player.shell.deactivate();
        player.shell.activate(rate, block);
        const Channels in = sine(mode == 2 ? 8 : 1, 0);
        const Channels out = player.next(in), expected = other.next(in);
        check(player.shell.latency() == other.shell.latency(),
              "mode " + std::to_string(mode) + ": latency " + std::to_string(player.shell.latency()) + ", " +
                  std::to_string(other.shell.latency()) + " without a restart");
        check(level(out[2]) > -80 && out == expected, "mode " + std::to_string(mode) + ": the sound, too");
    }
}

// Bypassed, the mix is the input and nothing else, also around a sample that is no number.
void check_bypass()
{
    Player player(4, true);
    player.set(Kind::bypass, 1);
    player.shell.reset();
    Channels in = sine(1, 0);
    in[0][20000] = std::nanf("");
    const Channels out = player.next(in);
    const std::size_t latency = player.shell.latency();
    std::size_t others = 0;
    for (std::size_t i = 0; latency + i < out[0].size(); i++)
        others += i == 20000 ? !std::isnan(out[0][latency + i]) : out[0][latency + i] != in[0][i];
    check(level(out[2]) > -80, "stems are made meanwhile");
    check(others == 0, std::to_string(others) + " samples of the bypassed mix are not the input's");
}

// Who closes a plugin while its model is read does not wait for that; the next one reads it anew.
void check_closing(const std::string &model)
{
    std::atomic<bool> stop{false};
    const auto opens = [&] {
        std::string file, problem;
        return open_model(*product_of_stems(4), {model}, file, problem) != nullptr;
    };
    {
        const spleeterrt::StopReading reading(stop);
        check(opens(), "a model is read");
        stop = true;
        check(!opens(), "not once it is wanted no longer");
    }
    check(opens(), "and again by others");
    double longest = 0;
    for (int i = 0; i < 12; i++) {
        auto player = std::make_unique<Player>(4, false);
        std::this_thread::sleep_for(std::chrono::milliseconds(i * i * 5));
        const auto before = std::chrono::steady_clock::now();
        player.reset();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
        longest = std::max(longest, took.count());
    }
    Player last(4, true);
    last.next(sine(1, 0));
    check(last.shell.status().phase == Phase::ready,
          "after plugins that were closed while loading (the longest took " + std::to_string(longest) + " s)");
}

} // namespace

int main(int count, char **arguments)
{
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const std::string name = count > 1 ? arguments[1] : "", model = count > 2 ? arguments[2] : "";
    if (name == "clicks" || name == "clicks-in-time")
        check_clicks(name != "clicks");
    else if (name == "changes" || name == "changes-in-time")
        check_changes(model, name != "changes");
    else if (name == "restart")
        check_restart();
    else if (name == "bypass")
        check_bypass();
    else if (name == "closing")
        check_closing(model);
    else {
        std::printf("usage: shell_tests restart|bypass|clicks|clicks-in-time, or with a model "
                    "closing|changes|changes-in-time\n");
        return 2;
    }
    return failed != 0;
}
