#include "shell/readouts.h"
#include "shell/shell.h"

#include <algorithm>

namespace spleeterrt::plugin {

Readings readings(const Shell &shell)
{
    const Numbers now = shell.numbers();
    Readings result = {static_cast<double>(now.phase), 1000 * now.latency, 100 * now.load,
                       static_cast<double>(now.late), static_cast<double>(now.concealed)};
    for (std::size_t i = 0; i < result.size(); i++)
        result[i] = std::clamp(result[i], 0.0, readouts[i].most);
    return result;
}

} // namespace spleeterrt::plugin
