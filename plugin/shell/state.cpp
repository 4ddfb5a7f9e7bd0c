#include "shell/state.h"

#include <limits>
#include <locale>
#include <sstream>

namespace spleeterrt::plugin {
namespace {

const char *const kind = "spleeterrt-plugin";
constexpr int version = 1;

std::string escaped(const std::string &text)
{
    std::string out;
    for (const char c : text)
        if (c == '\\' || c == '\n')
            out += c == '\n' ? "\\n" : "\\\\";
        else
            out += c;
    return out;
}

std::string unescaped(const std::string &text)
{
    std::string out;
    for (std::size_t i = 0; i < text.size(); i++)
        if (text[i] == '\\' && i + 1 < text.size())
            out += text[++i] == 'n' ? '\n' : text[i];
        else
            out += text[i];
    return out;
}

} // namespace

std::string state_text(const Parameters &parameters, const State &state)
{
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out.precision(std::numeric_limits<double>::max_digits10);
    out << kind << ' ' << version << '\n';
    out << "model " << escaped(state.model) << '\n';
    for (std::size_t i = 0; i < parameters.size(); i++)
        out << parameters[i].symbol << ' ' << state.values[i] << '\n';
    return out.str();
}

bool read_state(const Parameters &parameters, const std::string &text, State &state)
{
    std::istringstream lines(text);
    std::string line;
    double number = 0;
    const std::string head = std::string(kind) + " ";
    if (!std::getline(lines, line) || line.compare(0, head.size(), head) != 0 ||
        !text_number(line.substr(head.size()), number) || number < 1)
        return false;
    state.model.clear();
    state.values.clear();
    for (const Parameter &parameter : parameters.all())
        state.values.push_back(parameter.usual);
    while (std::getline(lines, line)) {
        const std::size_t space = line.find(' ');
        const std::string name = line.substr(0, space),
                          value = space == std::string::npos ? "" : line.substr(space + 1);
        const std::size_t index = parameters.index_of(name);
        if (name == "model")
            state.model = unescaped(value);
        else if (index != Parameters::none && text_number(value, number))
            state.values[index] = parameters[index].legal(number);
    }
    return true;
}

} // namespace spleeterrt::plugin
