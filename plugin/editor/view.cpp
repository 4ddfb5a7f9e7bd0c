// The editor that adapters see: a panel, its size, and a window as soon as there is a parent for it.
#include "editor/editor.h"
#include "editor/window.h"

#include <cmath>
#include <cstring>

namespace spleeterrt::plugin {

namespace {

constexpr double least_scale = 0.75, most_scale = 4;

class View : public Editor {
public:
    explicit View(EditorHost &host) : panel_(host), layout_(editor::Panel::layout_size(host.product()))
    {
        set_scale(editor::window_scale());
    }

    bool set_parent(std::uintptr_t parent) override
    {
        window_.reset();
        window_ = editor::open_window(panel_, parent);
        return window_ != nullptr;
    }

    std::uintptr_t window() const override { return window_ ? window_->number() : 0; }

    Size size() const override
    {
        return {static_cast<std::uint32_t>(panel_.canvas().width()),
                static_cast<std::uint32_t>(panel_.canvas().height())};
    }

    bool can_resize() const override { return true; }

    // As large as fits, with the proportions of the layout.
    Size fitting(Size wanted) const override
    {
        return size_at(std::min(static_cast<double>(wanted.width) / static_cast<double>(layout_.x),
                                static_cast<double>(wanted.height) / static_cast<double>(layout_.y)));
    }

    bool set_size(Size wanted) override
    {
        if (wanted.width == 0 || wanted.height == 0 || wanted.width > 16384 || wanted.height > 16384)
            return false;
        panel_.resize(static_cast<int>(wanted.width), static_cast<int>(wanted.height));
        if (window_)
            window_->resize(panel_.canvas().width(), panel_.canvas().height());
        return true;
    }

    bool set_scale(double scale) override { return std::isfinite(scale) && scale > 0 && set_size(size_at(scale)); }

    void show() override
    {
        if (window_)
            window_->show();
    }

    void hide() override
    {
        panel_.cancel();
        if (window_)
            window_->hide();
    }

    bool key(editor::Key key, editor::Modifiers modifiers) override
    {
        return window_ && key != editor::Key::none && key != editor::Key::tab && panel_.key(key, modifiers);
    }

    void idle() override
    {
        if (window_)
            window_->idle();
    }

    bool has_own_timer() const override { return editor::window_has_own_timer(); }
    int descriptor() const override { return window_ ? window_->descriptor() : -1; }

private:
    Size size_at(double scale) const
    {
        scale = std::min(std::max(scale, least_scale), most_scale);
        return {static_cast<std::uint32_t>(std::lround(static_cast<double>(layout_.x) * scale)),
                static_cast<std::uint32_t>(std::lround(static_cast<double>(layout_.y) * scale))};
    }

    editor::Panel panel_;
    editor::Point layout_;
    std::unique_ptr<editor::Window> window_; // before the panel that it draws
};

} // namespace

const char *editor_api() { return editor::window_api(); }

bool editor_supports(const char *api) { return api && editor_api() && std::strcmp(api, editor_api()) == 0; }

std::unique_ptr<Editor> make_editor(EditorHost &host, const char *api)
{
    return editor_supports(api) ? std::make_unique<View>(host) : nullptr;
}

} // namespace spleeterrt::plugin
