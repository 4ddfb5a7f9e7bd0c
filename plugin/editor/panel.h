// The editor without a window: a layout of controls, what the pointer and the keyboard do to them, and a picture of it.
// A window hands it events, in pixels, and shows its picture.
#ifndef SPLEETERRT_EDITOR_PANEL_H
#define SPLEETERRT_EDITOR_PANEL_H

#include "editor/parts.h"

#include <memory>
#include <string>
#include <vector>

namespace spleeterrt::editor {

class Panel {
public:
    explicit Panel(plugin::EditorHost &host);
    ~Panel();

    // Of the layout at scale 1.
    static Point layout_size(const plugin::Product &product);
    void resize(int width, int height);
    float scale() const { return canvas_.scale(); }

    // seconds: of any clock that does not go back.
    void pointer_moved(Point pixel, Modifiers modifiers, double seconds);
    void pointer_left();
    void pressed(Point pixel, Modifiers modifiers, double seconds);
    void released(Point pixel, Modifiers modifiers);
    void wheel(Point pixel, float steps, Modifiers modifiers);
    bool key(Key key, Modifiers modifiers); // whether it meant something here
    void cancel();                          // the window has lost the pointer, or is about to go

    // Reads the plugin, and notes what has changed. Some 30 times a second.
    void tick(double seconds);
    bool tip_shown() const { return tip_shown_; }
    // Draws what has changed, and says where that is: areas that do not overlap. They stay until the next call.
    const std::vector<PixelRect> &paint();
    void repaint() { note(PixelRect{0, 0, canvas_.width(), canvas_.height()}); }
    const Canvas &canvas() const { return canvas_; }

    // For tests: the control of a parameter.
    const Control *control(std::size_t parameter) const;

private:
    void lay_out();
    void lay_out_stem(int stem, const Rect &card);
    void lay_out_choices(float top, float width);
    template <typename C, typename... Arguments> C *add(Arguments &&...arguments);

    bool heard(int stem) const;
    void feed_meters(double seconds);
    void draw(const PixelRect &where);
    void draw_ground();
    void draw_tip();
    Rect tip_area();
    void note(PixelRect where);
    void note(const Rect &area);
    void note(const Control *control);
    Control *control_at(Point at) const;
    void hover(Control *control, double seconds);
    void focus(Control *control);
    bool move_focus(bool back);
    Look look_of(const Control &control) const;
    Point laid_out(Point pixel) const { return {pixel.x / scale(), pixel.y / scale()}; }

    plugin::EditorHost &host_;
    Canvas canvas_;
    std::vector<PixelRect> changed_, painted_;

    std::vector<std::unique_ptr<Control>> controls_; // later ones lie above earlier ones
    std::vector<Rect> cards_;
    std::vector<StripName *> names_; // of the stems, as the meters
    std::vector<Meter *> meters_;
    Meter *mix_ = nullptr;
    StatusLine *status_ = nullptr;
    Caption *latency_ = nullptr;
    Notice *notice_ = nullptr;

    Control *hovered_ = nullptr, *held_ = nullptr, *focused_ = nullptr, *last_pressed_ = nullptr;
    Point pointer_, last_press_;
    double hovered_since_ = 0, last_pressed_at_ = -1e9, ticked_ = -1;
    bool tip_shown_ = false;
};

} // namespace spleeterrt::editor

#endif
