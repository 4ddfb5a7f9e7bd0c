// What the pointer and the keyboard do.
#include "editor/panel.h"

namespace spleeterrt::editor {

namespace {

constexpr double double_click = 0.4; // seconds
constexpr float double_click_reach = 4;

} // namespace

Control *Panel::control_at(Point at) const
{
    for (auto i = controls_.rbegin(); i != controls_.rend(); ++i) {
        const bool hidden = i->get() == notice_ && !notice_->shown();
        if (!hidden && (*i)->area().contains(at))
            return i->get();
    }
    return nullptr;
}

void Panel::hover(Control *control, double seconds)
{
    if (control != hovered_) {
        if (tip_shown_)
            note(tip_area());
        tip_shown_ = false;
        note(hovered_);
        hovered_ = control;
        hovered_since_ = seconds;
    }
    note(hovered_);
}

void Panel::pointer_moved(Point pixel, Modifiers modifiers, double seconds)
{
    pointer_ = laid_out(pixel);
    if (held_) {
        held_->drag(pointer_, modifiers);
        note(held_);
    } else {
        hover(control_at(pointer_), seconds);
    }
}

void Panel::pointer_left()
{
    pointer_ = {-1, -1};
    if (!held_)
        hover(nullptr, 0);
}

void Panel::pressed(Point pixel, Modifiers modifiers, double seconds)
{
    pointer_moved(pixel, modifiers, seconds);
    focus(nullptr);
    if (tip_shown_)
        note(tip_area());
    tip_shown_ = false;
    hovered_since_ = seconds + 3600; // no more tips until the pointer has been elsewhere
    Control *control = control_at(pointer_);
    const bool near = std::abs(pointer_.x - last_press_.x) < double_click_reach &&
                      std::abs(pointer_.y - last_press_.y) < double_click_reach;
    const bool twice = control && control == last_pressed_ && near && seconds - last_pressed_at_ < double_click;
    last_pressed_ = twice ? nullptr : control;
    last_pressed_at_ = seconds;
    last_press_ = pointer_;
    if (!control)
        return;
    // A toggle is pressed twice, where others are reset.
    const bool toggles =
        control->parameter() != plugin::Parameters::none && host_.parameters()[control->parameter()].is_switch();
    if (twice && !toggles) {
        control->reset();
    } else {
        control->press(pointer_, modifiers);
        held_ = control;
    }
    note(control);
}

void Panel::released(Point pixel, Modifiers modifiers)
{
    if (!held_)
        return;
    Control *control = held_;
    control->drag(laid_out(pixel), modifiers);
    control->release();
    held_ = nullptr;
    note(control);
    pointer_ = laid_out(pixel);
    hover(control_at(pointer_), hovered_since_);
}

void Panel::cancel()
{
    if (held_)
        held_->release();
    note(held_);
    held_ = nullptr;
}

void Panel::wheel(Point pixel, float steps, Modifiers modifiers)
{
    Control *control = held_ ? nullptr : control_at(laid_out(pixel));
    if (control && control->wheel(steps, modifiers))
        note(control);
}

void Panel::focus(Control *control)
{
    note(focused_);
    focused_ = control;
    note(focused_);
}

bool Panel::move_focus(bool back)
{
    const auto n = static_cast<int>(controls_.size());
    int at = back ? n : -1;
    for (int i = 0; i < n; i++)
        if (controls_[static_cast<std::size_t>(i)].get() == focused_)
            at = i;
    for (at += back ? -1 : 1; at >= 0 && at < n; at += back ? -1 : 1)
        if (controls_[static_cast<std::size_t>(at)]->takes_focus()) {
            focus(controls_[static_cast<std::size_t>(at)].get());
            return true;
        }
    focus(nullptr); // behind the last one the host is next
    return false;
}

bool Panel::key(Key key, Modifiers modifiers)
{
    if (key == Key::tab)
        return move_focus(modifiers.shift);
    if (key == Key::escape && held_) {
        Control *control = held_;
        held_ = nullptr;
        control->cancel();
        note(control);
        return true;
    }
    if (key == Key::escape && focused_) {
        focus(nullptr);
        return true;
    }
    // Without a focus keys mean what the pointer is on.
    Control *control = focused_ ? focused_ : hovered_;
    if (!control || held_ || !control->key(key, modifiers))
        return false;
    note(control);
    return true;
}

} // namespace spleeterrt::editor
