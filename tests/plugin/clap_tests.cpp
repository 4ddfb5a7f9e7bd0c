// clap_tests PLUGIN CHECK [ARGUMENT...]: prints "ok: ..." or "FAILED: ..." for each thing checked; 0: all are good.
#include "checks.h"
#include "watch.h"

#include <cstdio>
#include <cstring>

int main(int count, char **arguments)
{
    const struct {
        const char *name;
        void (*function)(const Binary &, const Arguments &);
    } checks[] = {{"null", check_null},
                  {"mix", check_mix},
                  {"blocks", check_blocks},
                  {"realtime", check_realtime},
                  {"late-loading", check_late_loading},
                  {"dry", check_dry},
                  {"rates", check_rates},
                  {"odd", check_odd},
                  {"odd-sound", check_odd_sound},
                  {"models", check_models},
                  {"host-threads", check_host_threads},
                  {"reload", check_reload},
                  {"scan", check_scan},
                  {"parameters", check_parameters},
                  {"state", check_state},
                  {"project", check_project},
                  {"mode", check_mode},
                  {"orders", check_orders},
                  {"many", check_many},
                  {"unload", check_unload},
                  {"race", check_race}};
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    watch::prepare();
    if (count > 2)
        try {
            const Binary binary(arguments[1]);
            for (const auto &check : checks)
                if (!std::strcmp(arguments[2], check.name)) {
                    check.function(binary, Arguments(arguments + 3, arguments + count));
                    return failures() != 0;
                }
        } catch (const std::exception &error) {
            std::printf("FAILED: %s\n", error.what());
            return 2;
        }
    std::printf("usage: clap_tests PLUGIN CHECK [ARGUMENT...]\nchecks:");
    for (const auto &check : checks)
        std::printf(" %s", check.name);
    std::printf("\n");
    return 2;
}
