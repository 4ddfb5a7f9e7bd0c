#include "editor/scales.h"

#include "shell/parameters.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace spleeterrt::editor {

namespace {

struct Mark {
    double db;
    float position;
};

// Between these the scale is straight. The first and the last mark move to the ends of the parameter.
constexpr std::array<Mark, 6> marks{{{-60, 0.0f}, {-40, 0.1f}, {-24, 0.28f}, {-12, 0.48f}, {0, 0.75f}, {12, 1.0f}}};

constexpr double meter_least = -60, meter_most = 6;
constexpr float silence = 0.001f; // -60 dBFS

double marked(std::size_t i, double least, double most)
{
    return i == 0 ? least : i + 1 == marks.size() ? most : std::clamp(marks[i].db, least, most);
}

// With a minus sign that is as wide as the plus.
std::string signed_text(double value, bool plus)
{
    const std::string number = plugin::number_text(std::fabs(value), 1);
    return (value < 0 ? "\u2212" : plus && value > 0 ? "+" : "") + number;
}

} // namespace

float FaderScale::position(double db) const
{
    db = std::clamp(db, least_, most_);
    for (std::size_t i = 1; i < marks.size(); i++) {
        const double low = marked(i - 1, least_, most_), high = marked(i, least_, most_);
        if (db <= high && high > low) {
            const auto share = static_cast<float>((db - low) / (high - low));
            return marks[i - 1].position + share * (marks[i].position - marks[i - 1].position);
        }
    }
    return 1;
}

double FaderScale::decibels(float position) const
{
    position = std::clamp(position, 0.0f, 1.0f);
    for (std::size_t i = 1; i < marks.size(); i++)
        if (position <= marks[i].position) {
            const double low = marked(i - 1, least_, most_), high = marked(i, least_, most_);
            const double share =
                (position - marks[i - 1].position) / static_cast<double>(marks[i].position - marks[i - 1].position);
            return low + share * (high - low);
        }
    return most_;
}

float meter_position_of(float db)
{
    // The upper 24 dB, where music is, have two thirds of the height.
    constexpr float knee = -24, share = 0.34f;
    if (db < knee)
        return std::max(0.0f, share * static_cast<float>((db - meter_least) / (knee - meter_least)));
    return std::min(1.0f, share + (1 - share) * static_cast<float>((db - knee) / (meter_most - knee)));
}

float meter_position(float level) { return level <= silence ? 0.0f : meter_position_of(20 * std::log10(level)); }

std::string gain_text(double db, double least)
{
    if (db <= least)
        return "\u2212\u221e dB";
    return (std::fabs(db) < 0.05 ? "0.0" : signed_text(db, true)) + std::string(" dB");
}

std::string level_text(float level)
{
    return level <= silence ? "\u2212\u221e" : signed_text(20 * std::log10(static_cast<double>(level)), false);
}

std::string latency_text(double seconds)
{
    if (seconds <= 0) // nobody says it
        return "";
    return seconds < 1 ? plugin::number_text(seconds * 1000, 0) + " ms" : plugin::number_text(seconds, 1) + " s";
}

double rounded_gain(double db, double least, bool fine)
{
    // Near the foot coarse steps: there a decibel is less than a pixel.
    const double step = fine ? 0.1 : db < -24 ? 1.0 : db < -12 ? 0.5 : 0.1;
    return std::max(least, std::round(db / step) * step);
}

void Ballistics::feed(float level, double seconds)
{
    constexpr double fall = 24, hold = 1.5; // dB per second, seconds
    const auto fallen = static_cast<float>(std::pow(10.0, -fall * seconds / 20));
    level_ = std::max(level, level_ * fallen);
    level_ = level_ < silence / 2 ? 0 : level_;
    age_ += seconds;
    if (level >= held_) {
        held_ = level;
        age_ = 0;
    } else if (age_ > hold) {
        held_ = std::max(level_, held_ * fallen);
    }
}

} // namespace spleeterrt::editor
