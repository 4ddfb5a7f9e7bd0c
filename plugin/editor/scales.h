// Where decibels are on a fader and on a meter, what they look like in words, and how meters fall.
#ifndef SPLEETERRT_EDITOR_SCALES_H
#define SPLEETERRT_EDITOR_SCALES_H

#include <string>

namespace spleeterrt::editor {

// 0 at the foot (least), 1 at the top (most). 0 dB lies at three quarters, and every decibel near it has as much room.
class FaderScale {
public:
    FaderScale(double least, double most) : least_(least), most_(most) {}
    float position(double db) const;
    double decibels(float position) const;
    double least() const { return least_; }
    double most() const { return most_; }

private:
    double least_, most_;
};

float meter_position(float level); // of a linear level: 0 below -60 dBFS, 1 at +6 dBFS
float meter_position_of(float db);

std::string gain_text(double db, double least);          // "−∞ dB", "−6.0 dB", "+3.0 dB"
std::string level_text(float level);                     // "−∞", "−12.3"
std::string latency_text(double seconds);                // "116 ms", "6.0 s"
double rounded_gain(double db, double least, bool fine); // to steps that the text shows

// What a meter shows: rises at once, falls by 24 dB per second; its highest value stays for a while.
class Ballistics {
public:
    void feed(float level, double seconds); // seconds since the last time
    float level() const { return level_; }
    float held() const { return held_; }
    void reset() { *this = Ballistics(); }

private:
    float level_ = 0, held_ = 0;
    double age_ = 0;
};

} // namespace spleeterrt::editor

#endif
