// editor_picture STEMS SCALE STATE > picture.ppm: what the editor looks like, without a window. For the documentation's
// pictures, and to look at.
#include "editor/panel.h"
#include "editor_host.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

using spleeterrt::editor::Panel;
using spleeterrt::plugin::Phase;

void set_state(TestHost &host, const char *state)
{
    const int stems = host.product().stems;
    host.now = {Phase::ready, "starter.safetensors", "starter.safetensors", 0.34, 0, 0, 0.122};
    if (std::strcmp(state, "plain") == 0) // as in editor_window.cpp
        return;
    const float levels[5] = {0.42f, 0.58f, 0.36f, 0.24f, 0.3f};
    const double gains[5] = {2.5, 0, -3.5, -9, -1.5};
    for (int s = 0; s < stems; s++) {
        host.values[host.of(TestHost::Kind::gain, s)] = gains[s];
        host.peaks[static_cast<std::size_t>(2 + 2 * s)] = levels[s];
        host.peaks[static_cast<std::size_t>(3 + 2 * s)] = levels[s] * 0.84f;
    }
    host.peaks[0] = 0.69f;
    host.peaks[1] = 0.63f;
    if (std::strcmp(state, "mixed") == 0) {
        host.values[host.of(TestHost::Kind::mute, 0)] = 1;
        host.now.late = 3;
        host.now.load = 0.82;
    } else if (std::strcmp(state, "solo") == 0) {
        host.values[host.of(TestHost::Kind::solo, 1)] = 1;
        host.values[host.of(TestHost::Kind::bypass)] = 1;
        host.values[host.of(TestHost::Kind::gain, stems - 1)] = -60;
        host.peaks[0] = 1.3f;
    } else if (std::strcmp(state, "missing") == 0) {
        host.now = {
            Phase::no_model, "", "No model: put one into /home/you/.local/share/spleeterrt/models", 0, 0, 0, 0.122};
    } else if (std::strcmp(state, "loading") == 0) {
        host.now = {Phase::loading, "", "Loading the model", 0, 0, 0, 0.122};
    }
}

} // namespace

int main(int count, char **words)
{
    if (count != 4)
        return std::fprintf(stderr, "usage: editor_picture STEMS SCALE STATE > picture.ppm\n"), 2;
    TestHost host(std::atoi(words[1]));
    const auto scale = static_cast<float>(std::atof(words[2]));
    set_state(host, words[3]);
    Panel panel(host);
    const auto size = Panel::layout_size(host.product());
    panel.resize(static_cast<int>(size.x * scale + 0.5f), static_cast<int>(size.y * scale + 0.5f));
    panel.tick(0);
    if (std::strcmp(words[3], "tip") == 0) {
        const auto at = panel.control(host.of(TestHost::Kind::solo, 1))->area().centre();
        panel.pointer_moved({at.x * scale, at.y * scale}, {}, 1);
        panel.key(spleeterrt::editor::Key::tab, {});
    }
    // Meters that have fallen a little below their highest values.
    for (float &peak : host.peaks)
        peak *= 0.6f;
    panel.tick(1.2);
    panel.paint();
    const auto &canvas = panel.canvas();
    std::printf("P6 %d %d 255\n", canvas.width(), canvas.height());
    for (int i = 0; i < canvas.width() * canvas.height(); i++) {
        const std::uint32_t pixel = canvas.pixels()[i];
        const unsigned char rgb[3] = {static_cast<unsigned char>(pixel >> 16), static_cast<unsigned char>(pixel >> 8),
                                      static_cast<unsigned char>(pixel)};
        std::fwrite(rgb, 1, 3, stdout);
    }
    return 0;
}
