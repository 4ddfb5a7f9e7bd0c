#include "editor/control.h"

#include "editor/style.h"

#include <cmath>
#include <cstdio>

namespace spleeterrt::editor {

bool Control::stale()
{
    if (parameter_ == plugin::Parameters::none)
        return false;
    const double now = value(), before = seen_;
    seen_ = now;
    return now != before;
}

void Control::change(double value)
{
    value = rule().legal(value);
    if (same(value, this->value()))
        return;
    host_.begin_edit(parameter_);
    host_.edit(parameter_, value);
    host_.end_edit(parameter_);
}

void Control::paint_focus(Canvas &canvas, const Rect &around, const Look &look) const
{
    if (look.focused)
        canvas.outline(around.grown(2), style::focus.faded(0.9f), 1.5f, 6);
}

void Toggle::paint(Canvas &canvas, const Look &look) const
{
    const bool on = value() > 0.5;
    const Color idle = look.hovered ? style::raised_hover : style::raised;
    const Color top = on ? mixed(color_, {255, 255, 255, 255}, look.hovered ? 0.18f : 0.08f) : idle;
    canvas.gradient(area_, top, mixed(top, {0, 0, 0, 255}, 0.10f), 5);
    if (!on)
        canvas.outline(area_, style::edge, 1, 5);
    canvas.text(area_.centre(), label_, {12, on ? style::dark : style::muted, Weight::medium}, Align::centre);
    paint_focus(canvas, area_, look);
}

void Toggle::press(Point, const Modifiers &modifiers)
{
    if (modifiers.control && rule().kind == plugin::Kind::solo)
        silence_other_solos();
    change(value() > 0.5 ? 0 : 1);
}

bool Toggle::key(Key key, const Modifiers &modifiers)
{
    if (key != Key::enter)
        return false;
    press({}, modifiers);
    return true;
}

void Toggle::silence_other_solos()
{
    for (std::size_t i = 0; i < host_.parameters().size(); i++)
        if (host_.parameters()[i].kind == plugin::Kind::solo && i != parameter_ && host_.value(i) > 0.5) {
            host_.begin_edit(i);
            host_.edit(i, 0);
            host_.end_edit(i);
        }
}

Rect Choice::part(std::size_t option) const
{
    const float width = (area_.w - 4) / static_cast<float>(rule().choices.size());
    return {area_.x + 2 + width * static_cast<float>(option), area_.y + 2, width, area_.h - 4};
}

void Choice::paint(Canvas &canvas, const Look &look) const
{
    canvas.fill(area_, style::well, 7);
    canvas.outline(area_, style::edge.faded(0.7f), 1, 7);
    const auto chosen = static_cast<std::size_t>(std::lround(value()));
    for (std::size_t i = 0; i < rule().choices.size(); i++) {
        const Rect place = part(i);
        const bool on = i == chosen, near = look.hovered && place.contains(look.pointer);
        if (on)
            canvas.gradient(place, style::raised_hover, style::raised, 5);
        const TextStyle words{12,
                              on     ? style::text
                              : near ? style::text.faded(0.85f)
                                     : style::muted,
                              on ? Weight::medium : Weight::regular};
        float middle = place.centre().x;
        if (!colors_.empty()) {
            const float width = canvas.text_width(rule().choices[i], words);
            canvas.disc({middle - width / 2 - 2, place.centre().y}, 3, colors_[i].faded(on ? 1.0f : 0.55f));
            middle += 5;
        }
        canvas.text({middle, place.centre().y}, rule().choices[i], words, Align::centre);
    }
    paint_focus(canvas, area_, look);
}

void Choice::press(Point at, const Modifiers &)
{
    for (std::size_t i = 0; i < rule().choices.size(); i++)
        if (part(i).contains(at))
            change(static_cast<double>(i));
}

void Choice::move(int by) { change(value() + by); }

bool Choice::wheel(float steps, const Modifiers &)
{
    move(steps > 0 ? -1 : 1);
    return true;
}

bool Choice::key(Key key, const Modifiers &)
{
    switch (key) {
    case Key::left:
    case Key::up: move(-1); return true;
    case Key::right:
    case Key::down: move(1); return true;
    case Key::home: change(rule().least); return true;
    case Key::end: change(rule().most); return true;
    case Key::remove: reset(); return true;
    default: return false;
    }
}

Meter::Meter(plugin::EditorHost &host, Rect area, Color color, bool marked, std::string tip)
    : Control(host, plugin::Parameters::none, area, std::move(tip)), color_(color), marked_(marked)
{
}

void Meter::feed(const Levels &levels, bool heard, double seconds)
{
    heard_ = heard;
    for (std::size_t side = 0; side < 2; side++) {
        sides_[side].feed(levels[side], seconds);
        highest_ = std::max(highest_, levels[side]);
    }
}

bool Meter::stale()
{
    // In steps that are finer than pixels.
    char now[96];
    std::snprintf(now, sizeof now, "%d %d %d %d %d %s", heard_,
                  static_cast<int>(meter_position(sides_[0].level()) * 800),
                  static_cast<int>(meter_position(sides_[1].level()) * 800),
                  static_cast<int>(meter_position(sides_[0].held()) * 800),
                  static_cast<int>(meter_position(sides_[1].held()) * 800), level_text(highest_).c_str());
    const bool other = seen_ != now;
    seen_ = now;
    return other;
}

void Meter::press(Point, const Modifiers &)
{
    highest_ = 0;
    sides_[0].reset();
    sides_[1].reset();
}

// Beside the bars there is room for numbers, below for the highest value.
Rect Meter::bars() const { return marked_ ? Rect{area_.x + 12, area_.y, 30, area_.h - 30} : area_; }

void Meter::paint(Canvas &canvas, const Look &) const
{
    const Rect room = bars();
    const float width = (room.w - 2) / 2;
    paint_bar(canvas, {room.x, room.y, width, room.h}, sides_[0]);
    paint_bar(canvas, {room.x + width + 2, room.y, width, room.h}, sides_[1]);
    if (!marked_)
        return;
    for (int db : {6, 0, -6, -12, -18, -24, -36, -48}) {
        const float y = room.bottom() - meter_position_of(static_cast<float>(db)) * room.h;
        canvas.line({room.right() + 4, y}, {room.right() + 8, y}, style::edge);
        const Color color = db == 0 ? style::muted : style::faint;
        const std::string number = db < 0 ? "\u2212" + std::to_string(-db) : std::to_string(db);
        canvas.text({room.right() + 30, std::max(y, room.y + 3)}, number, {10, color}, Align::right);
    }
    const Color color = highest_ > 1 ? style::bad : style::text;
    const Rect box{area_.x, area_.bottom() - 22, area_.w, 22};
    canvas.fill(box, style::well, 5);
    canvas.text(box.centre(), level_text(highest_) + " dB", {11.5f, color}, Align::centre);
}

void Meter::paint_bar(Canvas &canvas, const Rect &bar, const Ballistics &of) const
{
    canvas.fill(bar, style::well, 2);
    const Color color = heard_ ? color_ : mixed(color_, style::card_top, 0.72f);
    const float zero = meter_position_of(0), level = meter_position(of.level());
    auto part = [&](float from, float to, Color low, Color high) {
        if (to > from)
            canvas.gradient({bar.x, bar.bottom() - to * bar.h, bar.w, (to - from) * bar.h}, high, low, 1);
    };
    const Color middle = mixed(color, {255, 255, 255, 255}, heard_ ? 0.15f : 0.0f);
    part(0, std::min(level, zero), mixed(color, style::card_top, 0.45f), middle);
    part(zero, level, style::bad, style::bad);
    const float held = meter_position(of.held());
    if (held > 0.01f)
        canvas.fill({bar.x, bar.bottom() - held * bar.h, bar.w, 1.5f}, of.held() > 1 ? style::bad : middle.faded(0.9f));
}

} // namespace spleeterrt::editor
