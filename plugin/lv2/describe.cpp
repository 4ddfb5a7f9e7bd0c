// Writes what LV2 hosts read instead of the plugin, manifest.ttl and a file per plugin, from the lists that the plugin
// itself uses: describe FOLDER BINARY VERSION [UI], where UI is X11UI or WindowsUI. Runs where the plugin is built,
// which may be another machine than the one it is built for.
#include "turtle.h"

#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>

namespace {

void write(const std::string &path, const std::string &text)
{
    std::ofstream file(path, std::ios::binary);
    file << text;
    if (!file.flush())
        throw std::runtime_error(path + " cannot be written");
}

} // namespace

int main(int count, char **arguments)
{
    using namespace spleeterrt::plugin;
    if (count != 4 && count != 5) {
        std::fprintf(stderr, "usage: %s FOLDER BINARY VERSION [UI]\n", arguments[0]);
        return 2;
    }
    try {
        const std::string folder = arguments[1];
        const std::string ui = count == 5 ? arguments[4] : "";
        write(folder + "/manifest.ttl", lv2::manifest(arguments[2], ui));
        for (const Product &product : products)
            write(folder + "/" + lv2::file_of(product), lv2::description(product, arguments[3], !ui.empty()));
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
