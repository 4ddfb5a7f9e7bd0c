// The editor's drawing, text, scales and meters.
#include "../expect.h"
#include "editor/canvas.h"
#include "editor/scales.h"

#include <cmath>
#include <string>

using namespace spleeterrt::editor;

namespace {

constexpr Color white{255, 255, 255, 255};

std::uint32_t at(const Canvas &canvas, int x, int y) { return canvas.pixels()[y * canvas.width() + x]; }

double brightness(const Canvas &canvas) // the sum of all pixels, a white one counts 1
{
    double sum = 0;
    for (int i = 0; i < canvas.width() * canvas.height(); i++)
        sum += (canvas.pixels()[i] & 255) / 255.0;
    return sum;
}

void test_boxes_end_at_whole_pixels()
{
    Canvas canvas;
    canvas.resize(40, 30, 1.5f);
    canvas.fill({4, 4, 10, 6}, white); // 6, 6 to 21, 15
    for (int y = 0; y < 30; y++)
        for (int x = 0; x < 40; x++)
            EXPECT(at(canvas, x, y) == (x >= 6 && x < 21 && y >= 6 && y < 15 ? 0xFFFFFFFF : 0xFF000000));
}

void test_areas_of_round_shapes()
{
    constexpr double pi = 3.14159265358979;
    Canvas canvas;
    canvas.resize(100, 100, 2);
    canvas.disc({25.2f, 24.7f}, 15, white);
    EXPECT(std::fabs(brightness(canvas) - pi * 900) < 0.005 * pi * 900);
    canvas.resize(100, 100, 2);
    canvas.fill({5, 5, 40, 30}, white, 8);
    EXPECT(std::fabs(brightness(canvas) - (80 * 60 - (4 - pi) * 256)) < 10);
    canvas.resize(100, 100, 1);
    canvas.outline({10, 10, 60, 40}, white, 1);
    EXPECT(std::fabs(brightness(canvas) - (2 * 60 + 2 * 38)) < 0.5);
    canvas.resize(100, 100, 1);
    canvas.line({10, 50}, {90, 50}, white, 4); // with half discs at its ends
    EXPECT(std::fabs(brightness(canvas) - (80 * 4 + pi * 4)) < 2);
    canvas.resize(100, 100, 1);
    canvas.arc({50, 50}, 30, -pi / 2, pi / 2, white, 4);
    EXPECT(std::fabs(brightness(canvas) - (pi * 30 * 4 + pi * 4)) < 4);
    EXPECT(at(canvas, 50, 20) == 0xFFFFFFFF && at(canvas, 50, 80) == 0xFF000000); // the upper half
}

void test_nothing_is_drawn_outside_the_clip()
{
    Canvas canvas;
    canvas.resize(60, 60, 1);
    canvas.set_clip({20, 20, 40, 40});
    canvas.clear({1, 2, 3, 255});
    canvas.shadow({0, 0, 60, 60}, white, 3, 8);
    canvas.text({0, 30}, "Wide words over everything", {20, white, Weight::medium});
    canvas.fill({-10, -10, 100, 100}, {9, 9, 9, 128}, 20);
    canvas.arc({30, 30}, 25, 0, 3, white, 9);
    for (int y = 0; y < 60; y++)
        for (int x = 0; x < 60; x++)
            if (x < 20 || x >= 40 || y < 20 || y >= 40)
                EXPECT(at(canvas, x, y) == 0xFF000000);
    EXPECT(at(canvas, 30, 30) != 0xFF000000);
}

void test_text()
{
    Canvas canvas;
    canvas.resize(400, 60, 2);
    const TextStyle style{12, white};
    const std::string words = "Vocals \u2212\u221e dB, Барабаны";
    const float width = canvas.text_width(words, style);
    EXPECT(std::fabs(canvas.text({10, 15}, words, style) - width) < 1e-3f);
    EXPECT(brightness(canvas) > 100);
    for (int y = 0; y < 60; y++)
        for (int x = 0; x < 400; x++)
            if (x < 18 || x > 2 * (10 + width) + 2)
                EXPECT(at(canvas, x, y) == 0xFF000000);
    EXPECT(canvas.fitted(words, style, width + 1) == words);
    for (float room : {80.0f, 40.0f, 20.0f}) {
        const std::string shorter = canvas.fitted(words, style, room);
        EXPECT(canvas.text_width(shorter, style) <= room);
        EXPECT(shorter.size() > 3 && shorter.substr(shorter.size() - 3) == "\u2026");
        EXPECT(words.compare(0, shorter.size() - 3, shorter, 0, shorter.size() - 3) == 0);
    }
    const auto lines = canvas.wrapped("one two three four five\nsix", style, 60);
    std::string joined;
    for (const std::string &line : lines) {
        EXPECT(canvas.text_width(line, style) <= 60);
        joined += (joined.empty() ? "" : " ") + line;
    }
    EXPECT(joined == "one two three four five six" && lines.back() == "six");
    const std::string path = "/home/somebody/.local/share/spleeterrt/Ünïcödemödels";
    joined.clear();
    for (const std::string &line : canvas.wrapped("in " + path, style, 90)) {
        EXPECT(canvas.text_width(line, style) <= 90 && !line.empty());
        joined += line;
    }
    EXPECT(joined == "in" + path);
}

void test_damaged_utf8()
{
    const std::string text = "a\xC3(\xE2\x82\xAC\xFF\xC0\x80\xF0\x9F\x8E";
    const std::uint32_t wanted[] = {'a', 0xFFFD, '(', 0x20AC, 0xFFFD, 0xFFFD, 0xFFFD, 0xFFFD};
    std::size_t i = 0;
    for (std::size_t where = 0; where < text.size(); i++)
        EXPECT(i < 8 && next_character(text, where) == wanted[i]);
    EXPECT(i == 8);
}

void test_scales()
{
    const FaderScale scale(-60, 12);
    EXPECT(scale.position(-60) == 0 && scale.position(12) == 1 && scale.position(0) == 0.75f);
    EXPECT(scale.position(-100) == 0 && scale.decibels(2) == 12 && scale.decibels(-1) == -60);
    double before = -61;
    for (int i = 0; i <= 1000; i++) {
        const double db = scale.decibels(static_cast<float>(i) / 1000);
        EXPECT(db > before);
        EXPECT(std::fabs(scale.position(db) - static_cast<float>(i) / 1000) < 1e-5f);
        before = db;
    }
    EXPECT(meter_position(0) == 0 && meter_position(0.001f) == 0 && meter_position(2) == 1 && meter_position(9) == 1);
    EXPECT(meter_position(0.5f) < meter_position(0.51f));
    EXPECT(gain_text(-60, -60) == "\u2212\u221e dB" && gain_text(-6.04, -60) == "\u22126.0 dB");
    EXPECT(gain_text(3, -60) == "+3.0 dB" && gain_text(-0.01, -60) == "0.0 dB");
    EXPECT(level_text(0) == "\u2212\u221e" && level_text(0.5f) == "\u22126.0" && level_text(2) == "6.0");
    EXPECT(latency_text(0.1163) == "116 ms" && latency_text(6.014) == "6.0 s");
}

void test_meters_fall()
{
    Ballistics meter;
    meter.feed(1, 0.03);
    for (int i = 0; i < 100; i++)
        meter.feed(0, 0.01);
    EXPECT(std::fabs(20 * std::log10(meter.level()) + 24) < 0.1); // 24 dB in a second
    EXPECT(meter.held() == 1);
    for (int i = 0; i < 100; i++)
        meter.feed(0, 0.01);
    EXPECT(meter.held() < 1 && meter.held() > meter.level());
    meter.feed(0.5f, 0.01);
    EXPECT(meter.level() == 0.5f && meter.held() >= 0.5f);
}

} // namespace

int main()
{
    test_boxes_end_at_whole_pixels();
    test_areas_of_round_shapes();
    test_nothing_is_drawn_outside_the_clip();
    test_text();
    test_damaged_utf8();
    test_scales();
    test_meters_fall();
    std::printf("%d failures\n", failures);
    return failures != 0;
}
