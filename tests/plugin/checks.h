// The checks of the CLAP plugin: each a function, named on the command line.
#ifndef SPLEETERRT_TESTS_CHECKS_H
#define SPLEETERRT_TESTS_CHECKS_H

#include "clap_host.h"

#include <string>
#include <vector>

using Arguments = std::vector<std::string>;

// Sound.
void check_null(const Binary &binary, const Arguments &arguments);   // MODEL STEMS MODE RATE [SECONDS]: told and untold
void check_mix(const Binary &binary, const Arguments &arguments);    // MODEL: gains, mute, solo, bypass
void check_blocks(const Binary &binary, const Arguments &arguments); // MODEL: other blocks than promised, in place
void check_realtime(const Binary &binary, const Arguments &arguments); // SECONDS: nothing allocated, locked, waited for
void check_late_loading(const Binary &binary, const Arguments &arguments); // the engine takes over while it plays
void check_dry(const Binary &binary, const Arguments &arguments);          // PHASE [STEMS]: without a model that does
void check_rates(const Binary &binary, const Arguments &arguments); // 22.05 to 192 kHz, and one that nothing fits

// Life.
void check_scan(const Binary &binary, const Arguments &arguments);
void check_parameters(const Binary &binary, const Arguments &arguments);
void check_state(const Binary &binary, const Arguments &arguments);
void check_mode(const Binary &binary, const Arguments &arguments);   // MODEL: another latency mode
void check_orders(const Binary &binary, const Arguments &arguments); // calls in every order that CLAP allows
void check_many(const Binary &binary, const Arguments &arguments);   // COUNT
void check_unload(const Binary &binary, const Arguments &arguments);
void check_race(const Binary &binary, const Arguments &arguments); // SECONDS: for ThreadSanitizer

#endif
