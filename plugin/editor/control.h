// What can be seen and touched: each control draws itself, and changes one parameter or none.
#ifndef SPLEETERRT_EDITOR_CONTROL_H
#define SPLEETERRT_EDITOR_CONTROL_H

#include "editor/canvas.h"
#include "editor/editor.h"
#include "editor/input.h"
#include "editor/scales.h"

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace spleeterrt::editor {

// How a control stands at the moment.
struct Look {
    bool hovered = false, focused = false;
    Point pointer;
};

using Levels = std::array<float, 2>; // highest sample of left and right, full scale 1

class Control {
public:
    Control(plugin::EditorHost &host, std::size_t parameter, Rect area, std::string tip = "")
        : host_(host), parameter_(parameter), area_(area), tip_(std::move(tip))
    {
    }
    virtual ~Control() = default;
    Control(const Control &) = delete;
    Control &operator=(const Control &) = delete;

    const Rect &area() const { return area_; }
    const std::string &tip() const { return tip_; }
    std::size_t parameter() const { return parameter_; } // Parameters::none: of no parameter
    double value() const { return host_.value(parameter_); }

    virtual void paint(Canvas &canvas, const Look &look) const = 0;
    virtual bool takes_focus() const { return false; }
    // Something to see has changed since the last call.
    virtual bool stale();
    virtual void press(Point, const Modifiers &) {}
    virtual void drag(Point, const Modifiers &) {}
    virtual void release() {}
    virtual void cancel() {}                                       // a movement that began comes to nothing
    virtual void reset() {}                                        // a double click
    virtual bool wheel(float, const Modifiers &) { return false; } // steps, upward positive
    virtual bool key(Key, const Modifiers &) { return false; }

protected:
    const plugin::Parameter &rule() const { return host_.parameters()[parameter_]; }
    void change(double value); // one movement
    // Hosts keep values as float.
    static bool same(double a, double b) { return static_cast<float>(a) == static_cast<float>(b); }
    void paint_focus(Canvas &canvas, const Rect &around, const Look &look) const;

    plugin::EditorHost &host_;
    std::size_t parameter_;
    Rect area_;
    std::string tip_;

private:
    double seen_ = -1e9;
};

class Fader : public Control {
public:
    Fader(plugin::EditorHost &host, std::size_t parameter, Rect area, Color color, std::string tip);
    void paint(Canvas &canvas, const Look &look) const override;
    bool takes_focus() const override { return true; }
    void press(Point at, const Modifiers &modifiers) override;
    void drag(Point at, const Modifiers &modifiers) override;
    void release() override;
    void cancel() override;
    void reset() override;
    bool wheel(float steps, const Modifiers &modifiers) override;
    bool key(Key key, const Modifiers &modifiers) override;

    Rect cap() const;

private:
    Rect slot() const;
    void paint_marks(Canvas &canvas) const;
    void paint_cap(Canvas &canvas, const Look &look) const;
    void step(double decibels);

    FaderScale scale_;
    Color color_;
    bool held_ = false, fine_ = false;
    double before_ = 0;                    // the value, when the movement began
    float from_y_ = 0, from_position_ = 0; // where it is counted from
};

class Toggle : public Control {
public:
    Toggle(plugin::EditorHost &host, std::size_t parameter, Rect area, std::string label, Color color, std::string tip)
        : Control(host, parameter, area, std::move(tip)), label_(std::move(label)), color_(color)
    {
    }
    void paint(Canvas &canvas, const Look &look) const override;
    bool takes_focus() const override { return true; }
    void press(Point at, const Modifiers &modifiers) override;
    bool key(Key key, const Modifiers &modifiers) override;

private:
    void silence_other_solos();

    std::string label_;
    Color color_;
};

// One of a few, side by side.
class Choice : public Control {
public:
    Choice(plugin::EditorHost &host, std::size_t parameter, Rect area, std::vector<Color> colors, std::string tip)
        : Control(host, parameter, area, std::move(tip)), colors_(std::move(colors))
    {
    }
    void paint(Canvas &canvas, const Look &look) const override;
    bool takes_focus() const override { return true; }
    void press(Point at, const Modifiers &modifiers) override;
    void reset() override { change(rule().usual); }
    bool wheel(float steps, const Modifiers &modifiers) override;
    bool key(Key key, const Modifiers &modifiers) override;

    Rect part(std::size_t option) const;

private:
    void move(int by);

    std::vector<Color> colors_; // of a mark before each option; none: no marks
};

// Two bars, left and right, with their highest values; a press forgets those.
class Meter : public Control {
public:
    Meter(plugin::EditorHost &host, Rect area, Color color, bool marked, std::string tip);
    void feed(const Levels &levels, bool heard, double seconds);
    void paint(Canvas &canvas, const Look &look) const override;
    bool stale() override;
    void press(Point, const Modifiers &) override;

    float highest() const { return highest_; }

private:
    Rect bars() const;
    void paint_bar(Canvas &canvas, const Rect &bar, const Ballistics &of) const;

    Color color_;
    bool marked_, heard_ = true;
    Ballistics sides_[2];
    float highest_ = 0;
    std::string seen_;
};

} // namespace spleeterrt::editor

#endif
