#include "editor/parts.h"

#include "editor/style.h"

#include <cmath>

namespace spleeterrt::editor {

namespace {

std::string percent(double share)
{
    return share < 9.995 ? std::to_string(std::lround(100 * share)) + " %" : "> 999 %";
}

Color color_of(plugin::Phase phase)
{
    switch (phase) {
    case plugin::Phase::ready: return style::good;
    case plugin::Phase::loading: return style::busy;
    case plugin::Phase::no_model:
    case plugin::Phase::failed: return style::bad;
    default: return style::faint;
    }
}

} // namespace

void StripName::paint(Canvas &canvas, const Look &) const
{
    const TextStyle words{13, heard_ ? style::text : style::faint, Weight::medium};
    const std::string name = canvas.fitted(name_, words, area_.w - 18);
    canvas.disc({area_.x + 4, area_.centre().y}, 4, heard_ ? color_ : mixed(color_, style::card_top, 0.7f));
    canvas.text({area_.x + 15, area_.centre().y}, name, words);
}

bool StripName::stale()
{
    const bool other = heard_ != seen_;
    seen_ = heard_;
    return other;
}

void Caption::paint(Canvas &canvas, const Look &) const
{
    canvas.text({area_.x + 1, area_.centre().y}, words_, {11.5f, style::muted});
    canvas.text({area_.right() - 1, area_.centre().y}, value_, {11.5f, style::text}, Align::right);
}

bool Caption::stale()
{
    const bool other = value_ != seen_;
    seen_ = value_;
    return other;
}

StatusLine::StatusLine(plugin::EditorHost &host, Rect area)
    : Control(
          host, plugin::Parameters::none, area,
          "Load: how much of their time the networks need. A late run is sound for which they were not ready in time: "
          "older masks are used for it, and after a second the mix is heard in one stem.")
{
}

std::string StatusLine::words() const
{
    if (status_.phase != plugin::Phase::ready)
        return status_.message;
    const std::size_t end = status_.model.rfind(".safetensors");
    return end == std::string::npos || end == 0 ? status_.model : status_.model.substr(0, end);
}

bool StatusLine::stale()
{
    const std::string now = std::to_string(static_cast<int>(status_.phase)) + words() + "\n" + percent(status_.load) +
                            std::to_string(status_.late);
    const bool other = now != seen_;
    seen_ = now;
    return other;
}

void StatusLine::paint(Canvas &canvas, const Look &) const
{
    canvas.fill(area_, style::bar);
    canvas.fill({area_.x, area_.y, area_.w, 1}, style::edge.faded(0.8f));
    const float middle = area_.centre().y;
    float right = paint_late_runs(canvas, area_.right() - style::margin);
    right = paint_load(canvas, right - 18);
    const Color color = color_of(status_.phase);
    canvas.disc({area_.x + style::margin + 4, middle}, 7, color.faded(0.18f));
    canvas.disc({area_.x + style::margin + 4, middle}, 4, color);
    float x = area_.x + style::margin + 16;
    if (status_.phase == plugin::Phase::ready)
        x += canvas.text({x, middle}, "Ready", {12, style::text, Weight::medium}) + 10;
    const TextStyle plain{12, status_.phase == plugin::Phase::ready ? style::muted : style::text};
    canvas.text({x, middle}, canvas.fitted(words(), plain, right - x - 18), plain);
}

// Both return where they begin.
float StatusLine::paint_late_runs(Canvas &canvas, float right) const
{
    const float middle = area_.centre().y;
    const std::string number = status_.late < 100000 ? std::to_string(status_.late) : "> 99999";
    const TextStyle figures{12, status_.late ? style::busy : style::text};
    right -= std::max(canvas.text({right, middle}, number, figures, Align::right), 8.0f) + 7;
    return right - canvas.text({right, middle}, "Late runs", {12, style::muted}, Align::right);
}

float StatusLine::paint_load(Canvas &canvas, float right) const
{
    const float middle = area_.centre().y;
    canvas.text({right, middle}, percent(status_.load), {12, status_.load > 1 ? style::bad : style::text},
                Align::right);
    right -= 50; // room for the widest
    const Rect bar{right - 48, middle - 3, 48, 6};
    canvas.fill(bar, style::well, 3);
    const auto share = static_cast<float>(std::min(std::max(status_.load, 0.0), 1.0));
    const Color color = status_.load > 1 ? style::bad : status_.load > 0.7 ? style::busy : style::good;
    if (share > 0.02f)
        canvas.fill({bar.x, bar.y, std::max(bar.w * share, bar.h), bar.h}, color, 3);
    right = bar.x - 8;
    return right - canvas.text({right, middle}, "Load", {12, style::muted}, Align::right);
}

Notice::Notice(plugin::EditorHost &host, Rect area) : Control(host, plugin::Parameters::none, area) {}

void Notice::set(const plugin::Status &status)
{
    const bool missing = status.phase == plugin::Phase::no_model;
    const bool wanted = missing || status.phase == plugin::Phase::failed;
    const std::string message = wanted ? status.message : "";
    if (message != message_)
        shown_ = wanted;
    missing_ = missing;
    message_ = message;
}

bool Notice::stale()
{
    const std::string now = shown_ ? (missing_ ? "1" : "0") + message_ : "";
    const bool other = now != seen_;
    seen_ = now;
    return other;
}

float Notice::paint_text(Canvas &canvas, const std::string &text, float y) const
{
    const TextStyle plain{12.5f, style::muted};
    for (const std::string &line : canvas.wrapped(text, plain, area_.w - 44)) {
        canvas.text({area_.x + 22, y}, line, plain);
        y += 19;
    }
    return y;
}

void Notice::paint(Canvas &canvas, const Look &look) const
{
    if (!shown_)
        return;
    canvas.shadow({area_.x, area_.y + 4, area_.w, area_.h}, {0, 0, 0, 170}, style::radius, 14);
    canvas.fill(area_, {40, 45, 56, 250}, style::radius);
    canvas.outline(area_, style::bad.faded(0.55f), 1, style::radius);
    const float left = area_.x + 22, width = area_.w - 44;
    float y = area_.y + 28;
    canvas.text({left, y}, missing_ ? "No model yet" : "The model cannot be used", {16, style::text, Weight::medium});
    y = paint_text(canvas, message_, y + 28);
    const plugin::Product &product = host_.product();
    if (missing_) {
        const std::string stems = std::to_string(product.stems) + "stems";
        y = paint_text(canvas, "One command makes one of Spleeter's, which sounds best:", y + 4);
        const Rect box{left, y - 5, width, 28};
        canvas.fill(box, style::well, 5);
        const std::string command = "spleeterrt models convert spleeter:" + stems + " " + stems + ".safetensors";
        const TextStyle code{11.5f, style::text};
        canvas.text({left + 10, box.centre().y}, canvas.fitted(command, code, width - 20), code);
        y = box.bottom() + 16;
    }
    const std::string last = product.stem_labels[product.stems - 1];
    paint_text(canvas, "Until then the sound passes unchanged, and " + last + " has all of it.", y + 4);
    const Point cross{area_.right() - 20, area_.y + 20};
    const Color color = look.hovered ? style::text : style::muted;
    canvas.line({cross.x - 4, cross.y - 4}, {cross.x + 4, cross.y + 4}, color, 1.5f);
    canvas.line({cross.x - 4, cross.y + 4}, {cross.x + 4, cross.y - 4}, color, 1.5f);
}

} // namespace spleeterrt::editor
