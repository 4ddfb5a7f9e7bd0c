// A test host that does what it is told: a command per line of its input, a line of JSON as its answer.
#ifndef SPLEETERRT_TESTS_COMMANDS_H
#define SPLEETERRT_TESTS_COMMANDS_H

#include "json.h"
#include "watch.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace host {

using Words = std::istringstream;

template <typename Type> Type next(Words &words, Type otherwise = {})
{
    if constexpr (std::is_floating_point_v<Type>) { // also "nan" and "inf", which streams do not read
        std::string text;
        return words >> text ? static_cast<Type>(std::strtod(text.c_str(), nullptr)) : otherwise;
    } else {
        Type value;
        return words >> value ? value : otherwise;
    }
}

// "1,2,3"
inline std::vector<int> numbers_of(const std::string &list)
{
    std::vector<int> result;
    std::istringstream stream(list);
    for (std::string number; std::getline(stream, number, ',');)
        result.push_back(std::stoi(number));
    return result;
}

inline std::string content_of(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file)
        throw std::runtime_error(path + " cannot be read");
    return std::string(std::istreambuf_iterator<char>(file), {});
}

// A song through a plugin, block by block. The words of the command: IN OUT SAMPLES BLOCKS [paced]. IN: float32, two
// channels; OUT: all channels of the plugin; BLOCKS: their sizes, over and over; paced: as fast as it sounds.
class Rendering {
public:
    explicit Rendering(Words &words)
    {
        const std::string bytes = content_of(next<std::string>(words));
        input_.resize(bytes.size() / sizeof(float));
        std::memcpy(input_.data(), bytes.data(), input_.size() * sizeof(float));
        out_ = next<std::string>(words);
        samples_ = next<long long>(words);
        blocks_ = numbers_of(next<std::string>(words, "512"));
        paced_ = next<std::string>(words) == "paced";
    }

    int largest() const { return *std::max_element(blocks_.begin(), blocks_.end()); }

    // block(at, n) fills the input, calls the plugin between `begin` and `end`, and puts out what came.
    template <typename Block> void run(double rate, Block block)
    {
        watch::clear();
        const auto begun = std::chrono::steady_clock::now();
        long long at = 0;
        for (size_t i = 0; at < samples_; i++) {
            const auto n = static_cast<int>(std::min<long long>(blocks_[i % blocks_.size()], samples_ - at));
            if (paced_)
                std::this_thread::sleep_until(begun +
                                              std::chrono::duration_cast<std::chrono::nanoseconds>(
                                                  std::chrono::duration<double>(static_cast<double>(at) / rate)));
            block(at, n);
            slowest_ = std::max(slowest_, took_ / (n / rate));
            if (static_cast<double>(at + n) <= largest() + 0.019 * rate) // nobody can see yet that this is no playing
                longest_ = std::max(longest_, took_);
            at += n;
        }
        std::ofstream(out_, std::ios::binary)
            .write(reinterpret_cast<const char *>(output_.data()),
                   static_cast<std::streamsize>(output_.size() * sizeof(float)));
    }

    void fill(std::vector<std::vector<float>> &channels, long long at, int n) const
    {
        for (int i = 0; i < n; i++)
            for (size_t c = 0; c < 2; c++) {
                const size_t sample = 2 * static_cast<size_t>(at + i) + c;
                channels[c][static_cast<size_t>(i)] = sample < input_.size() ? input_[sample] : 0.0f;
            }
    }
    template <typename Process> void call(Process process)
    {
        const auto begun = std::chrono::steady_clock::now();
        if (called_) {
            const double passed = std::chrono::duration<double>(begun - ended_).count();
            longest_ = std::max(longest_, passed);
            between_ += passed;
        }
        watch::begin();
        process();
        watch::end();
        called_ = true;
        ended_ = std::chrono::steady_clock::now();
        took_ = std::chrono::duration<double>(ended_ - begun).count();
    }
    void take(const std::vector<float *> &channels, int n)
    {
        for (int i = 0; i < n; i++)
            for (const float *channel : channels)
                output_.push_back(channel[i]);
    }

    // The longest block is given by its duration. Seconds between blocks, when the host was at work or held up: in all,
    // and the longest.
    Json report() const
    {
        const watch::Counts counts = watch::counts();
        return Json::object()
            .add("watched", watch::works())
            .add("allocations", static_cast<int>(counts.allocations))
            .add("frees", static_cast<int>(counts.frees))
            .add("locks", static_cast<int>(counts.locks))
            .add("waits", static_cast<int>(counts.waits))
            .add("slowest", slowest_)
            .add("between", between_)
            .add("longest_between", longest_);
    }

private:
    std::vector<float> input_, output_;
    std::vector<int> blocks_;
    std::string out_;
    long long samples_ = 0;
    bool paced_ = false;
    double slowest_ = 0, took_ = 0, between_ = 0, longest_ = 0;
    std::chrono::steady_clock::time_point ended_;
    bool called_ = false;
};

template <typename Session> using Commands = std::map<std::string, std::function<Json(Session &, Words &)>>;

// Until the input ends; throws where a command is unknown or fails in the host itself.
template <typename Session> void serve(Session &session, const Commands<Session> &commands)
{
    for (std::string line; std::getline(std::cin, line);) {
        if (!line.empty() && line.back() == '\r')
            line.pop_back();
        Words words(line);
        const auto name = next<std::string>(words);
        if (name == "sleep") {
            std::this_thread::sleep_for(std::chrono::milliseconds(next<int>(words)));
            std::printf("0\n");
        } else {
            const auto found = commands.find(name);
            if (found == commands.end())
                throw std::runtime_error("unknown command: " + line);
            std::printf("%s\n", found->second(session, words).text().c_str());
        }
        std::fflush(stdout);
    }
}

// main of such a host: one argument, what to load. run(path): the status that it ends with.
template <typename Run> int main_of(int count, char **arguments, Run run)
{
    if (count != 2) {
        std::fprintf(stderr, "usage: %s PLUGIN < commands\n", arguments[0]);
        return 2;
    }
    try {
        watch::prepare();
        return run(std::string(arguments[1]));
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}

} // namespace host

#endif
