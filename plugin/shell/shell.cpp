#include "shell/shell.h"

#include "shell/body.h"
#include "shell/state.h"

#include <algorithm>
#include <cmath>
#include <new>

namespace spleeterrt::plugin {

Shell::Shell(const Product &product, LatencyChange when, std::string binary)
    : body_(new Body(product, when, std::move(binary)))
{
}

Shell::~Shell() = default;

const Product &Shell::product() const { return body_->product; }
const Parameters &Shell::parameters() const { return body_->parameters; }

double Shell::value(std::size_t parameter) const { return body_->value(parameter); }
void Shell::set_value(std::size_t parameter, double value) { body_->set_value(parameter, value); }

bool Shell::activate(double sample_rate, std::uint32_t max_block, std::uint32_t largest)
{
    try {
        body_->activate(sample_rate, max_block, largest);
    } catch (const std::bad_alloc &) {
        body_->deactivate();
    }
    return active();
}
void Shell::deactivate() { body_->deactivate(); }
bool Shell::active() const { return body_->active_.load(); }
void Shell::set_offline(bool offline) { body_->offline_.store(offline); }

void Shell::process(const float *const *input, float *const *outputs, std::uint32_t count, const Change *changes,
                    std::size_t n_changes)
{
    if (active())
        return body_->process(input, outputs, count, changes, n_changes);
    for (int c = 0; c < 2 * buses(product()); c++)
        if (outputs[c])
            std::fill_n(outputs[c], count, 0.0f);
}

void Shell::reset()
{
    if (active())
        body_->reset();
}

std::uint32_t Shell::latency() const { return body_->latency_.load(); }
std::uint32_t Shell::latency_changes() const { return body_->latency_changes_.load(); }
bool Shell::latency_pending() const { return body_->pending(); }

std::uint32_t Shell::tail() const
{
    const double echo = 4096 / 44100.0; // a frame of the STFT
    return latency() + static_cast<std::uint32_t>(std::ceil(echo * body_->rate_.load()));
}

void Shell::set_model(const std::string &path) { body_->loader.set_model(path); }
std::string Shell::model() const { return body_->loader.model(); }

std::string Shell::save() const
{
    State state;
    state.model = model();
    for (std::size_t i = 0; i < parameters().size(); i++)
        state.values.push_back(value(i));
    return state_text(parameters(), state);
}

bool Shell::load(const std::string &text)
{
    State state;
    if (!read_state(parameters(), text, state))
        return false;
    for (std::size_t i = 0; i < parameters().size(); i++)
        set_value(i, state.values[i]);
    set_model(state.model);
    return true;
}

Status Shell::status() const { return body_->status(); }
Numbers Shell::numbers() const { return body_->numbers(); }
float Shell::peak(int bus, int channel) { return body_->peak(bus, channel); }

} // namespace spleeterrt::plugin
