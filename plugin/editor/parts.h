// What can be seen and not changed: names, captions, the state of things.
#ifndef SPLEETERRT_EDITOR_PARTS_H
#define SPLEETERRT_EDITOR_PARTS_H

#include "editor/control.h"

#include <string>

namespace spleeterrt::editor {

// A stem's name above its strip, pale while nobody hears it.
class StripName : public Control {
public:
    StripName(plugin::EditorHost &host, Rect area, std::string name, Color color)
        : Control(host, plugin::Parameters::none, area), name_(std::move(name)), color_(color)
    {
    }
    void set_heard(bool heard) { heard_ = heard; }
    void paint(Canvas &canvas, const Look &look) const override;
    bool stale() override;

private:
    std::string name_;
    Color color_;
    bool heard_ = true, seen_ = true;
};

// Words above a choice, and a value at their right.
class Caption : public Control {
public:
    Caption(plugin::EditorHost &host, Rect area, std::string words, std::string tip = "")
        : Control(host, plugin::Parameters::none, area, std::move(tip)), words_(std::move(words))
    {
    }
    void set_value(const std::string &value) { value_ = value; }
    void paint(Canvas &canvas, const Look &look) const override;
    bool stale() override;

private:
    std::string words_, value_, seen_;
};

// State and name of the model, load, late runs.
class StatusLine : public Control {
public:
    StatusLine(plugin::EditorHost &host, Rect area);
    void set(const plugin::Status &status) { status_ = status; }
    void paint(Canvas &canvas, const Look &look) const override;
    bool stale() override;

private:
    std::string words() const;
    float paint_late_runs(Canvas &canvas, float right) const;
    float paint_load(Canvas &canvas, float right) const;

    plugin::Status status_;
    std::string seen_;
};

// Over the strips while there is no model: why, and what to do. A press puts it away until there is other news.
class Notice : public Control {
public:
    Notice(plugin::EditorHost &host, Rect area);
    void set(const plugin::Status &status);
    bool shown() const { return shown_; }
    void paint(Canvas &canvas, const Look &look) const override;
    bool stale() override;
    void press(Point, const Modifiers &) override { shown_ = false; }

private:
    float paint_text(Canvas &canvas, const std::string &text, float y) const; // returns where the next line is

    bool shown_ = false, missing_ = false;
    std::string message_, seen_;
};

} // namespace spleeterrt::editor

#endif
