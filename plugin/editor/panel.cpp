#include "editor/panel.h"

#include "editor/style.h"

#include <cmath>
#include <utility>

namespace spleeterrt::editor {

namespace {

constexpr double tip_delay = 0.7; // seconds
constexpr TextStyle tip_style{12, style::text};
constexpr float tip_width = 250, tip_line = 16;

float strip_width(int stems) { return stems <= 2 ? 146.0f : stems <= 4 ? 104.0f : 98.0f; }

} // namespace

Panel::Panel(plugin::EditorHost &host) : host_(host)
{
    lay_out();
    const Point size = layout_size(host.product());
    resize(static_cast<int>(size.x), static_cast<int>(size.y));
}

Panel::~Panel() = default;

Point Panel::layout_size(const plugin::Product &product)
{
    const auto n = static_cast<float>(product.stems);
    return {2 * style::margin + n * (strip_width(product.stems) + style::gap) + style::mix_width,
            style::header + style::strips + style::choices + style::status};
}

void Panel::resize(int width, int height)
{
    const Point size = layout_size(host_.product());
    const float scale = std::min(static_cast<float>(width) / size.x, static_cast<float>(height) / size.y);
    canvas_.resize(width, height, std::max(scale, 0.1f)); // a minimised window has no size
    repaint();
}

template <typename C, typename... Arguments> C *Panel::add(Arguments &&...arguments)
{
    auto made = std::make_unique<C>(host_, std::forward<Arguments>(arguments)...);
    C *control = made.get();
    controls_.push_back(std::move(made));
    return control;
}

void Panel::lay_out()
{
    const plugin::Product &product = host_.product();
    const plugin::Parameters &parameters = host_.parameters();
    const Point size = layout_size(product);
    add<Toggle>(parameters.index_of(plugin::Kind::bypass), Rect{size.x - style::margin - 78, 14, 78, 26}, "Bypass",
                style::bypass, "Bypass: the input unchanged, with the same delay.");
    Rect card{style::margin, style::header, strip_width(product.stems), style::strips - style::gap};
    for (int s = 0; s < product.stems; s++) {
        lay_out_stem(s, card);
        card.x += card.w + style::gap;
    }
    card.w = style::mix_width;
    cards_.push_back(card);
    add<StripName>(Rect{card.x + 12, card.y + 12, card.w - 24, 18}, "Mix", style::mix);
    mix_ = add<Meter>(Rect{card.x + 12, card.y + 44, card.w - 24, card.h - 56}, style::mix, true,
                      "The level of the mix. The number is the highest so far; a click sets it back.");
    lay_out_choices(style::header + style::strips, size.x - 2 * style::margin);
    status_ = add<StatusLine>(Rect{0, size.y - style::status, size.x, style::status});
    notice_ = add<Notice>(Rect{style::margin + 14, style::header + 40, size.x - 2 * style::margin - 28,
                               product.stems > 2 ? 176.0f : 210.0f});
}

void Panel::lay_out_stem(int stem, const Rect &card)
{
    const plugin::Parameters &parameters = host_.parameters();
    const std::string name = host_.product().stem_labels[stem];
    const Color color = style::of_stem(name);
    cards_.push_back(card);
    names_.push_back(add<StripName>(Rect{card.x + 12, card.y + 12, card.w - 24, 18}, name, color));
    const float inner = card.w - 24, meter = 13, height = card.h - 44 - 12 - 34;
    add<Fader>(parameters.index_of(plugin::Kind::gain, stem), Rect{card.x + 12, card.y + 44, inner, height}, color,
               "Gain of this stem in the mix. Shift: finer steps. Double click: 0 dB. Its own output stays as it is.");
    meters_.push_back(add<Meter>(Rect{card.x + card.w - 12 - meter, card.y + 44, meter, height - 30}, color, false,
                                 "The level of this stem under its gain."));
    const float y = card.bottom() - 12 - 26, half = (inner - 6) / 2;
    add<Toggle>(parameters.index_of(plugin::Kind::mute, stem), Rect{card.x + 12, y, half, 26}, "M", style::mute,
                "Mute: this stem is not in the mix. Its own output stays as it is.");
    add<Toggle>(parameters.index_of(plugin::Kind::solo, stem), Rect{card.x + 12 + half + 6, y, half, 26}, "S",
                style::solo, "Solo: only stems with solo are in the mix. Ctrl and a click: this one alone.");
}

void Panel::lay_out_choices(float top, float width)
{
    const plugin::Parameters &parameters = host_.parameters();
    const plugin::Product &product = host_.product();
    const float left = style::margin, between = 24, latency = std::min(216.0f, width * 0.42f);
    latency_ = add<Caption>(Rect{left, top, latency, 16}, "Latency");
    add<Choice>(
        parameters.index_of(plugin::Kind::mode), Rect{left, top + 20, latency, 30}, std::vector<Color>{},
        "Short: for playing live, and the most work for the CPU. Middle: the same sound with half the work. Long: "
        "seconds of delay, for mixing, at the least work.");
    std::vector<Color> colors;
    for (int s = 0; s < product.stems; s++)
        colors.push_back(style::of_stem(product.stem_labels[s]));
    const float x = left + latency + between;
    add<Caption>(Rect{x, top, width + left - x, 16}, "When late, the mix is heard in");
    add<Choice>(parameters.index_of(plugin::Kind::late), Rect{x, top + 20, width + left - x, 30}, colors,
                "The stem that gets the whole mix while the networks are not ready in time.");
}

bool Panel::heard(int stem) const
{
    const plugin::Parameters &parameters = host_.parameters();
    auto value = [&](plugin::Kind kind, int s) { return host_.value(parameters.index_of(kind, s)); };
    bool solos = false;
    for (int s = 0; s < host_.product().stems; s++)
        solos = solos || value(plugin::Kind::solo, s) > 0.5;
    return value(plugin::Kind::mute, stem) < 0.5 && (!solos || value(plugin::Kind::solo, stem) > 0.5) &&
           value(plugin::Kind::gain, stem) > plugin::least_gain;
}

void Panel::feed_meters(double seconds)
{
    for (int s = 0; s < host_.product().stems; s++) {
        const double db = host_.value(host_.parameters().index_of(plugin::Kind::gain, s));
        const auto gain = db <= plugin::least_gain ? 0.0f : static_cast<float>(std::pow(10.0, db / 20));
        const auto i = static_cast<std::size_t>(s);
        meters_[i]->feed({gain * host_.peak(1 + s, 0), gain * host_.peak(1 + s, 1)}, heard(s), seconds);
        names_[i]->set_heard(heard(s));
    }
    mix_->feed({host_.peak(0, 0), host_.peak(0, 1)}, true, seconds);
}

void Panel::tick(double seconds)
{
    feed_meters(ticked_ < 0 ? 0 : std::min(std::max(seconds - ticked_, 0.0), 1.0));
    ticked_ = seconds;
    const plugin::Status status = host_.status();
    status_->set(status);
    notice_->set(status);
    latency_->set_value(latency_text(status.latency));
    for (const auto &control : controls_)
        if (control->stale())
            note(control.get());
    const bool tip = hovered_ && !held_ && !hovered_->tip().empty() && seconds - hovered_since_ >= tip_delay;
    if (tip != tip_shown_) {
        tip_shown_ = true;
        note(tip_area());
        tip_shown_ = tip;
    }
}

const std::vector<PixelRect> &Panel::paint()
{
    painted_.clear();
    std::swap(painted_, changed_);
    for (const PixelRect &where : painted_)
        draw(where);
    return painted_;
}

void Panel::draw(const PixelRect &where)
{
    canvas_.set_clip(where);
    draw_ground();
    for (const auto &control : controls_)
        if (!canvas_.clipped_away(control->area().grown(24)))
            control->paint(canvas_, look_of(*control));
    if (tip_shown_)
        draw_tip();
}

void Panel::draw_ground()
{
    canvas_.clear(style::ground);
    const Color bars[4] = {style::of_stem("Vocals"), style::of_stem("Drums"), style::of_stem("Bass"),
                           style::of_stem("Other")};
    const float heights[4] = {12, 22, 17, 8};
    for (int i = 0; i < 4; i++)
        canvas_.fill({style::margin + 1 + 6 * static_cast<float>(i), style::header / 2 - heights[i] / 2, 4, heights[i]},
                     bars[i], 2);
    const float x = style::margin + 34, y = style::header / 2;
    const float width = canvas_.text({x, y}, "spleeterrt", {18, style::text, Weight::medium});
    const TextStyle beside{12.5f, style::muted};
    canvas_.text({x + width + 12, y + 1}, std::to_string(host_.product().stems) + " stems", beside);
    for (const Rect &card : cards_) {
        canvas_.gradient(card, style::card_top, style::card_bottom, style::radius);
        canvas_.outline(card, style::edge.faded(0.75f), 1, style::radius);
    }
}

// Below what it explains, or above where there is no room.
Rect Panel::tip_area()
{
    const Point size = layout_size(host_.product());
    const auto lines = canvas_.wrapped(hovered_->tip(), tip_style, tip_width);
    float widest = 0;
    for (const std::string &line : lines)
        widest = std::max(widest, canvas_.text_width(line, tip_style));
    const Rect of = hovered_->area();
    Rect area{of.centre().x, of.bottom() + 6, widest + 20, tip_line * static_cast<float>(lines.size()) + 12};
    area.x = std::clamp(area.x - area.w / 2, 6.0f, std::max(6.0f, size.x - area.w - 6));
    if (area.bottom() > size.y - 4)
        area.y = of.y - 6 - area.h;
    return area;
}

void Panel::draw_tip()
{
    const Rect area = tip_area();
    canvas_.shadow({area.x, area.y + 3, area.w, area.h}, {0, 0, 0, 150}, 6, 9);
    canvas_.fill(area, {55, 62, 77, 255}, 6);
    canvas_.outline(area, {84, 93, 112, 255}, 1, 6);
    float y = area.y + 6 + tip_line / 2;
    for (const std::string &line : canvas_.wrapped(hovered_->tip(), tip_style, tip_width)) {
        canvas_.text({area.x + 10, y}, line, tip_style);
        y += tip_line;
    }
}

// Areas that overlap become one, so that nothing is drawn twice.
void Panel::note(PixelRect where)
{
    where = where.within({0, 0, canvas_.width(), canvas_.height()});
    if (where.empty())
        return;
    for (std::size_t i = 0; i < changed_.size();)
        if (changed_[i].meets(where)) {
            where = where.with(changed_[i]);
            changed_[i] = changed_.back();
            changed_.pop_back();
            i = 0;
        } else {
            i++;
        }
    changed_.push_back(where);
}

void Panel::note(const Rect &area) { note(canvas_.pixels_of(area.grown(24))); }
void Panel::note(const Control *control)
{
    if (control)
        note(canvas_.pixels_of(control->area().grown(control == notice_ ? 24 : 6)));
}

Look Panel::look_of(const Control &control) const { return {&control == hovered_, &control == focused_, pointer_}; }

const Control *Panel::control(std::size_t parameter) const
{
    for (const auto &control : controls_)
        if (control->parameter() == parameter)
            return control.get();
    return nullptr;
}

} // namespace spleeterrt::editor
