#include "editor/control.h"
#include "editor/style.h"

#include <cmath>

namespace spleeterrt::editor {

namespace {

constexpr float cap_width = 30, cap_height = 18;
constexpr float readout = 30;             // below the slot
constexpr float numbers = 28, meter = 17; // left and right of the cap's room

} // namespace

Fader::Fader(plugin::EditorHost &host, std::size_t parameter, Rect area, Color color, std::string tip)
    : Control(host, parameter, area, std::move(tip)),
      scale_(host.parameters()[parameter].least, host.parameters()[parameter].most), color_(color)
{
}

// The way of the middle of the cap.
Rect Fader::slot() const
{
    const float x = area_.x + (numbers + area_.w - meter) / 2;
    return {x - 2, area_.y + cap_height / 2, 4, area_.h - readout - cap_height};
}

Rect Fader::cap() const
{
    const Rect way = slot();
    const float y = way.bottom() - scale_.position(value()) * way.h;
    return {way.centre().x - cap_width / 2, y - cap_height / 2, cap_width, cap_height};
}

void Fader::paint(Canvas &canvas, const Look &look) const
{
    paint_marks(canvas);
    const Rect way = slot();
    canvas.fill(way.grown(1), style::well, 3);
    const float y = way.bottom() - scale_.position(value()) * way.h;
    canvas.gradient({way.x, y, way.w, way.bottom() - y + 1}, color_.faded(0.85f), color_.faded(0.35f), 2);
    paint_cap(canvas, look);
    const Rect box{area_.x, area_.bottom() - 22, area_.w, 22};
    canvas.fill(box, style::well, 5);
    canvas.text(box.centre(), gain_text(value(), scale_.least()), {11.5f, style::text}, Align::centre);
    paint_focus(canvas, box, look);
}

void Fader::paint_marks(Canvas &canvas) const
{
    const Rect way = slot();
    for (int db : {12, 6, 0, -6, -12, -24, -40}) {
        if (db > scale_.most() || db < scale_.least())
            continue;
        const float y = way.bottom() - scale_.position(db) * way.h;
        const bool zero = db == 0;
        canvas.line({way.x - 13, y}, {way.x - 6, y}, zero ? style::faint : style::edge);
        const std::string number = db < 0 ? "\u2212" + std::to_string(-db) : zero ? "0" : "+" + std::to_string(db);
        canvas.text({way.x - 18, y}, number, {10, zero ? style::muted : style::faint}, Align::right);
    }
}

void Fader::paint_cap(Canvas &canvas, const Look &look) const
{
    const Rect c = cap();
    canvas.shadow({c.x, c.y + 2, c.w, c.h}, {0, 0, 0, 130}, 5, 5);
    const float light = held_ ? 0.10f : look.hovered ? 0.06f : 0.0f;
    const Color white{255, 255, 255, 255};
    canvas.gradient(c, mixed({102, 110, 128, 255}, white, light), mixed({66, 73, 88, 255}, white, light), 4);
    canvas.fill({c.x + 3, c.y, c.w - 6, 1}, {255, 255, 255, 46}); // light from above
    canvas.fill({c.x + 4, c.y + c.h / 2 - 1, c.w - 8, 2}, mixed(color_, white, 0.25f), 1);
}

void Fader::press(Point at, const Modifiers &modifiers)
{
    held_ = true;
    fine_ = modifiers.shift;
    before_ = value();
    from_y_ = at.y;
    from_position_ = scale_.position(before_);
    host_.begin_edit(parameter_);
}

// The cap follows the pointer from where it was taken; with shift ten times as slowly.
void Fader::drag(Point at, const Modifiers &modifiers)
{
    if (!held_)
        return;
    const float pace = fine_ ? 0.1f : 1.0f;
    const float position = from_position_ + pace * (from_y_ - at.y) / slot().h;
    if (fine_ != modifiers.shift) {
        fine_ = modifiers.shift;
        from_position_ = std::clamp(position, 0.0f, 1.0f);
        from_y_ = at.y;
    }
    const double gain = rule().legal(rounded_gain(scale_.decibels(position), scale_.least(), fine_));
    if (!same(gain, value()))
        host_.edit(parameter_, gain);
}

void Fader::release()
{
    if (held_)
        host_.end_edit(parameter_);
    held_ = false;
}

void Fader::cancel()
{
    if (held_)
        host_.edit(parameter_, before_);
    release();
}

void Fader::reset() { change(rule().usual); }

void Fader::step(double decibels)
{
    // From silence the first step leads to what can be heard.
    const double from = value() <= scale_.least() && decibels > 0 ? scale_.decibels(0.04f) : value();
    change(std::round((from + decibels) * 10) / 10);
}

bool Fader::wheel(float steps, const Modifiers &modifiers)
{
    const double coarse = value() < -24 ? 2 : 1;
    step(steps * (modifiers.shift ? 0.1 : coarse));
    return true;
}

bool Fader::key(Key key, const Modifiers &modifiers)
{
    const double small = modifiers.shift ? 0.1 : 1;
    switch (key) {
    case Key::up:
    case Key::right: step(small); return true;
    case Key::down:
    case Key::left: step(-small); return true;
    case Key::page_up: step(6); return true;
    case Key::page_down: step(-6); return true;
    case Key::home: change(scale_.most()); return true;
    case Key::end: change(scale_.least()); return true;
    case Key::remove:
    case Key::enter: reset(); return true;
    default: return false;
    }
}

} // namespace spleeterrt::editor
