// The editor without a window: what pointer and keyboard do to the parameters, and what is drawn when.
#include "../expect.h"
#include "editor/panel.h"
#include "editor/style.h"
#include "editor_host.h"

#include <cmath>
#include <cstring>
#include <random>
#include <utility>

using namespace spleeterrt::editor;
using spleeterrt::plugin::Phase;
using Kind = TestHost::Kind;

namespace {

struct Session {
    TestHost host;
    Panel panel;
    double now = 1;

    explicit Session(int stems = 4, float scale = 1) : host(stems), panel(host)
    {
        const Point size = Panel::layout_size(host.product());
        panel.resize(static_cast<int>(size.x * scale), static_cast<int>(size.y * scale));
        panel.tick(now);
        panel.paint();
    }
    Rect area(Kind kind, int stem = -1) const { return panel.control(host.of(kind, stem))->area(); }
    Point pixel(Point p) const { return {p.x * panel.scale(), p.y * panel.scale()}; }
    void press(Point p, Modifiers modifiers = {}) { panel.pressed(pixel(p), modifiers, now); }
    void release(Point p, Modifiers modifiers = {}) { panel.released(pixel(p), modifiers); }
    void move(Point p, Modifiers modifiers = {}) { panel.pointer_moved(pixel(p), modifiers, now); }
    void click(Point p, Modifiers modifiers = {})
    {
        now += 1;
        press(p, modifiers);
        release(p, modifiers);
    }
    std::string taken_log() { return std::exchange(host.log, ""); }
};

int count(const std::string &text, const std::string &word)
{
    int n = 0;
    for (std::size_t i = text.find(word); i != std::string::npos; i = text.find(word, i + 1))
        n++;
    return n;
}

void test_every_parameter_has_a_control()
{
    for (int stems : {2, 4, 5}) {
        Session s(stems);
        const Point size = Panel::layout_size(s.host.product());
        for (std::size_t i = 0; i < s.host.parameters().size(); i++) {
            EXPECT(s.panel.control(i) != nullptr);
            const Rect a = s.panel.control(i)->area();
            EXPECT(a.x >= 0 && a.y >= 0 && a.right() <= size.x && a.bottom() <= size.y);
            for (std::size_t j = 0; j < i; j++)
                EXPECT(!a.meets(s.panel.control(j)->area()));
        }
    }
}

void test_toggles()
{
    for (float scale : {1.0f, 1.75f}) {
        Session s(4, scale);
        s.click(s.area(Kind::mute, 2).centre());
        EXPECT(s.taken_log() == "begin bass_mute\nedit bass_mute 1.0\nend bass_mute\n");
        s.click(s.area(Kind::mute, 2).centre());
        EXPECT(s.taken_log() == "begin bass_mute\nedit bass_mute 0.0\nend bass_mute\n");
        // Twice quickly: on and off again.
        s.press(s.area(Kind::solo, 0).centre());
        s.release(s.area(Kind::solo, 0).centre());
        s.press(s.area(Kind::solo, 0).centre());
        s.release(s.area(Kind::solo, 0).centre());
        EXPECT(count(s.taken_log(), "edit vocals_solo") == 2 && s.host.values[s.host.of(Kind::solo, 0)] == 0);
        s.click(s.area(Kind::bypass).centre());
        EXPECT(s.host.values[s.host.of(Kind::bypass)] == 1);
    }
}

void test_solo_of_one_alone()
{
    Session s;
    s.click(s.area(Kind::solo, 0).centre());
    s.click(s.area(Kind::solo, 1).centre());
    EXPECT(s.host.values[s.host.of(Kind::solo, 0)] == 1 && s.host.values[s.host.of(Kind::solo, 1)] == 1);
    s.click(s.area(Kind::solo, 3).centre(), {false, true});
    for (int stem = 0; stem < 4; stem++)
        EXPECT(s.host.values[s.host.of(Kind::solo, stem)] == (stem == 3));
}

void test_a_drag_is_one_movement()
{
    Session s;
    const Rect cap = dynamic_cast<const Fader *>(s.panel.control(s.host.of(Kind::gain, 1)))->cap();
    const Point from = cap.centre();
    s.press({from.x + 3, from.y + 2});
    EXPECT(s.taken_log() == "begin drums_gain\n"); // where the cap is taken it does not move
    for (int i = 1; i <= 40; i++)
        s.move({from.x + 3 * static_cast<float>(i), from.y + 2 + static_cast<float>(i)}); // far out sideways
    const double down = s.host.values[s.host.of(Kind::gain, 1)];
    EXPECT(down < -6 && down > -40);
    s.release({from.x + 120, from.y + 42});
    const std::string log = s.taken_log();
    EXPECT(count(log, "begin") == 0 && count(log, "end drums_gain\n") == 1 && count(log, "edit drums_gain") > 20);
    EXPECT(log.size() > 4 && log.substr(log.rfind("\n", log.size() - 2) + 1) == "end drums_gain\n");
    const Rect moved = dynamic_cast<const Fader *>(s.panel.control(s.host.of(Kind::gain, 1)))->cap();
    EXPECT(std::fabs(moved.y - cap.y - 40) < 1); // the cap has followed the pointer
    s.move({from.x, from.y + 80});
    EXPECT(s.taken_log().empty());
}

void test_drags_to_the_ends()
{
    Session s;
    const Point from = dynamic_cast<const Fader *>(s.panel.control(s.host.of(Kind::gain, 0)))->cap().centre();
    s.press(from);
    s.move({from.x, from.y - 500});
    EXPECT(s.host.values[s.host.of(Kind::gain, 0)] == 12);
    s.move({from.x, from.y + 500});
    EXPECT(s.host.values[s.host.of(Kind::gain, 0)] == -60);
    s.release({from.x, from.y + 500});
}

void test_shift_is_finer()
{
    Session coarse, fine;
    const Point from = dynamic_cast<const Fader *>(coarse.panel.control(coarse.host.of(Kind::gain, 0)))->cap().centre();
    coarse.press(from);
    coarse.move({from.x, from.y + 20});
    fine.press(from, {true, false});
    fine.move({from.x, from.y + 20}, {true, false});
    const double a = coarse.host.values[coarse.host.of(Kind::gain, 0)],
                 b = fine.host.values[fine.host.of(Kind::gain, 0)];
    EXPECT(std::fabs(a / b - 10) < 1);
    // Shift during a drag does not make the cap jump.
    const double before = b;
    fine.move({from.x, from.y + 20});
    fine.move({from.x, from.y + 21});
    EXPECT(std::fabs(fine.host.values[fine.host.of(Kind::gain, 0)] - before) < 1);
}

void test_resets_wheel_escape()
{
    Session s;
    const std::size_t gain = s.host.of(Kind::gain, 3);
    const Point where = s.area(Kind::gain, 3).centre();
    s.panel.wheel(s.pixel(where), 1, {});
    EXPECT(s.taken_log() == "begin other_gain\nedit other_gain 1.0\nend other_gain\n");
    s.panel.wheel(s.pixel(where), -2, {true, false});
    EXPECT(std::fabs(s.host.values[gain] - 0.8) < 1e-9);
    s.host.values[gain] = -23;
    s.press(where);
    s.release(where);
    s.now += 0.2;
    s.press(where);
    s.release(where);
    EXPECT(s.host.values[gain] == 0);
    s.now += 1;
    s.press(where);
    s.move({where.x, where.y + 30});
    EXPECT(s.host.values[gain] < -3);
    EXPECT(s.panel.key(Key::escape, {}));
    EXPECT(s.host.values[gain] == 0);
    const std::string log = s.taken_log();
    EXPECT(count(log, "begin") == count(log, "end"));
    s.now += 1;
    s.press(where);
    s.panel.cancel(); // the window has lost the pointer
    EXPECT(s.taken_log() == "begin other_gain\nend other_gain\n");
    s.move({where.x, where.y + 60});
    EXPECT(s.host.values[gain] == 0);
}

void test_choices()
{
    for (int stems : {2, 4, 5}) {
        Session s(stems);
        const auto *late = dynamic_cast<const Choice *>(s.panel.control(s.host.of(Kind::late)));
        for (int i = 0; i < stems; i++) {
            s.click(late->part(static_cast<std::size_t>(i)).centre());
            EXPECT(s.host.values[s.host.of(Kind::late)] == i);
        }
        const auto *mode = dynamic_cast<const Choice *>(s.panel.control(s.host.of(Kind::mode)));
        s.click(mode->part(2).centre());
        EXPECT(s.host.values[s.host.of(Kind::mode)] == 2);
        s.panel.wheel(s.pixel(mode->area().centre()), 1, {});
        EXPECT(s.host.values[s.host.of(Kind::mode)] == 1);
    }
}

void test_keyboard()
{
    Session s;
    // Every control can be reached, each once, and then the host is next.
    int reached = 0;
    while (s.panel.key(Key::tab, {}) && reached < 100)
        reached++;
    EXPECT(reached == static_cast<int>(s.host.parameters().size()));
    EXPECT(s.taken_log().empty());
    s.panel.key(Key::tab, {}); // bypass
    EXPECT(s.panel.key(Key::enter, {}) && s.host.values[s.host.of(Kind::bypass)] == 1);
    s.panel.key(Key::tab, {}); // gain of the first stem
    const std::size_t gain = s.host.of(Kind::gain, 0);
    s.panel.key(Key::down, {});
    EXPECT(s.host.values[gain] == -1);
    s.panel.key(Key::up, {true, false});
    EXPECT(std::fabs(s.host.values[gain] + 0.9) < 1e-9);
    s.panel.key(Key::end, {});
    EXPECT(s.host.values[gain] == -60);
    s.panel.key(Key::up, {});
    EXPECT(s.host.values[gain] > -60);
    s.panel.key(Key::remove, {});
    EXPECT(s.host.values[gain] == 0);
    EXPECT(s.panel.key(Key::tab, {true, false}) && s.panel.key(Key::enter, {})); // back
    EXPECT(s.host.values[s.host.of(Kind::bypass)] == 0);
    EXPECT(s.panel.key(Key::escape, {}) && !s.panel.key(Key::escape, {}) && !s.panel.key(Key::enter, {}));
}

void test_tips_come_and_go()
{
    Session s;
    s.move(s.area(Kind::mute, 0).centre());
    s.panel.tick(s.now += 0.3);
    EXPECT(!s.panel.tip_shown());
    s.panel.tick(s.now += 0.6);
    EXPECT(s.panel.tip_shown());
    s.move({2, 2});
    EXPECT(!s.panel.tip_shown());
    s.click(s.area(Kind::mute, 0).centre());
    s.panel.tick(s.now += 5);
    EXPECT(!s.panel.tip_shown());
}

void test_values_from_the_host_are_drawn()
{
    Session s;
    s.panel.tick(s.now += 0.03);
    EXPECT(s.panel.paint().empty()); // nothing has changed
    s.host.values[s.host.of(Kind::gain, 2)] = -12;
    s.panel.tick(s.now += 0.03);
    const auto drawn = s.panel.paint();
    const PixelRect wanted = s.panel.canvas().pixels_of(s.area(Kind::gain, 2));
    EXPECT(drawn.size() == 1 && drawn[0].with(wanted).width() == drawn[0].width() &&
           drawn[0].with(wanted).height() == drawn[0].height());
    EXPECT(drawn[0].width() < s.panel.canvas().width() / 2);
    // What moves in two places is drawn there and not between.
    s.host.peaks.assign(s.host.peaks.size(), 0.5f);
    s.panel.tick(s.now += 0.03);
    int area = 0;
    for (const PixelRect &one : s.panel.paint())
        area += one.width() * one.height();
    EXPECT(area > 0 && area < s.panel.canvas().width() * s.panel.canvas().height() / 5);
}

void test_a_missing_model_is_told()
{
    Session s;
    s.host.now.phase = Phase::no_model;
    s.host.now.message = "No model was found.";
    s.panel.tick(s.now += 0.03);
    int highest = 0;
    for (const PixelRect &one : s.panel.paint())
        highest = std::max(highest, one.height());
    EXPECT(highest > 150);
    // What lies below the notice is not touched by the press that puts it away.
    const Point over = s.area(Kind::gain, 1).centre();
    s.click(over);
    EXPECT(s.taken_log().empty());
    s.panel.tick(s.now += 0.03);
    s.panel.paint();
    s.click(over);
    EXPECT(s.taken_log() == "begin drums_gain\nend drums_gain\n");
    // Other news, another notice.
    s.host.now.phase = Phase::failed;
    s.host.now.message = "The model is damaged.";
    s.panel.tick(s.now += 0.03);
    s.click(over);
    EXPECT(s.taken_log().empty());
    s.host.now.phase = Phase::ready;
    s.panel.tick(s.now += 0.03);
    s.click(over);
    EXPECT(!s.taken_log().empty());
}

// What is drawn bit by bit is what one picture of the whole would be.
void test_partial_pictures()
{
    for (int stems : {2, 4, 5}) {
        Session s(stems, stems == 5 ? 1.5f : 1.0f);
        std::mt19937 random(static_cast<unsigned>(stems));
        auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
        const Point size = Panel::layout_size(s.host.product());
        for (int step = 0; step < 150; step++) {
            const Point p{static_cast<float>(below(static_cast<int>(size.x))),
                          static_cast<float>(below(static_cast<int>(size.y)))};
            switch (below(8)) {
            case 0: s.click(p); break;
            case 1: s.press(p); break;
            case 2: s.release(p); break;
            case 3: s.panel.wheel(s.pixel(p), below(2) ? 1.0f : -1.0f, {}); break;
            case 4: s.panel.key(static_cast<Key>(1 + below(12)), {below(2) == 0, false}); break;
            case 5: s.host.now.phase = static_cast<Phase>(below(5)); break;
            case 6:
                s.host.peaks[static_cast<std::size_t>(below(2 + 2 * stems))] = static_cast<float>(below(150)) / 100;
                break;
            default: s.move(p); break;
            }
            s.host.now.late = static_cast<std::uint64_t>(step / 10);
            s.host.now.message = "Message " + std::to_string(step / 40);
            s.panel.tick(s.now += 0.4);
            s.panel.paint();
            const std::vector<std::uint32_t> bit_by_bit(s.panel.canvas().pixels(),
                                                        s.panel.canvas().pixels() +
                                                            s.panel.canvas().width() * s.panel.canvas().height());
            if (step % 5)
                continue;
            s.panel.repaint();
            s.panel.paint();
            EXPECT(std::memcmp(bit_by_bit.data(), s.panel.canvas().pixels(), 4 * bit_by_bit.size()) == 0);
        }
    }
}

void test_sizes()
{
    TestHost host(4);
    auto editor = spleeterrt::plugin::make_editor(host, spleeterrt::plugin::editor_api());
    EXPECT(editor != nullptr && !spleeterrt::plugin::make_editor(host, "cocoa"));
    if (!editor)
        return;
    EXPECT(editor->set_scale(1));
    const auto one = editor->size();
    EXPECT(editor->set_scale(2) && editor->size().width == 2 * one.width && editor->size().height == 2 * one.height);
    EXPECT(!editor->set_scale(0) && !editor->set_scale(std::nan("")) && !editor->set_size({0, 5}));
    const auto fitting = editor->fitting({3 * one.width, 2 * one.height});
    EXPECT(fitting.width == 2 * one.width && fitting.height == 2 * one.height);
    Panel panel(host); // a window without a size
    panel.resize(0, 0);
    panel.tick(1);
    panel.pressed({0, 0}, {}, 1);
    EXPECT(panel.paint().size() == 1 && panel.canvas().width() == 1);
    const auto least = editor->fitting({1, 1});
    EXPECT(least.width > one.width / 2 && editor->set_size(least) && editor->size().width == least.width);
}

} // namespace

int main()
{
    test_every_parameter_has_a_control();
    test_toggles();
    test_solo_of_one_alone();
    test_a_drag_is_one_movement();
    test_drags_to_the_ends();
    test_shift_is_finer();
    test_resets_wheel_escape();
    test_choices();
    test_keyboard();
    test_tips_come_and_go();
    test_values_from_the_host_are_drawn();
    test_a_missing_model_is_told();
    test_partial_pictures();
    test_sizes();
    std::printf("%d failures\n", failures);
    return failures != 0;
}
