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

// Odd hosts.
void check_odd(const Binary &binary, const Arguments &arguments);       // MODEL: calls and buffers
void check_odd_sound(const Binary &binary, const Arguments &arguments); // MODEL: samples that are no sound
void check_models(const Binary &binary,
                  const Arguments &arguments); // MODEL OTHER FOLDER: several, and files that change
void check_host_threads(const Binary &binary, const Arguments &arguments); // MODEL: blocks on threads that come and go
void check_reload(const Binary &binary, const Arguments &arguments);       // COPY: opened and closed again and again

// Life.
void check_scan(const Binary &binary, const Arguments &arguments);
void check_parameters(const Binary &binary, const Arguments &arguments);
void check_state(const Binary &binary, const Arguments &arguments);
void check_project(const Binary &binary, const Arguments &arguments); // FILE STEMS: a state that was saved
void check_mode(const Binary &binary, const Arguments &arguments);    // MODEL: another latency mode
void check_orders(const Binary &binary, const Arguments &arguments);  // calls in every order that CLAP allows
void check_many(const Binary &binary, const Arguments &arguments);    // COUNT
void check_unload(const Binary &binary, const Arguments &arguments);
void check_race(const Binary &binary, const Arguments &arguments); // SECONDS: for ThreadSanitizer

#endif
