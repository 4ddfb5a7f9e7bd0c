// The plugin without a format: stems of a stereo signal in a host's audio callback, by the C interface (spleeterrt.h).
// Adapters (CLAP, VST3, LV2) translate between a format and this class, and do no more than that.
//
// Sound. Two channels in. Out: the mix under gains, mutes and solos, then every stem before them, all `latency()`
// samples later: the stems' sum is the input. Until there is an engine, and where there is none, the last stem is the
// whole mix, and the others are silent.
//
// Threads, as hosts have them:
//     main   one thread, or one at a time: what is not marked otherwise
//     audio  process and reset; never at the same time as activate, deactivate or the destructor
//     any    marked so: atomics alone
// The audio thread takes no lock, allocates nothing and waits for nothing, unless it renders offline: then it waits for
// the engine and its networks. A thread of the shell's own, the loader, makes engines and ends them.
#ifndef SPLEETERRT_PLUGIN_SHELL_H
#define SPLEETERRT_PLUGIN_SHELL_H

#include "shell/parameters.h"
#include "shell/product.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace spleeterrt::plugin {

// Stereo buses out: the mix, then the stems. There is one stereo bus in.
inline int buses(const Product &product) { return 1 + product.stems; }
inline const char *bus_label(const Product &product, int bus)
{
    return bus == 0 ? "Mix" : product.stem_labels[bus - 1];
}

// Beyond these a host is in error.
inline bool is_rate(double rate) { return rate >= 1 && rate <= 1e6; }

// A new value from the sample `offset` of a block on.
struct Change {
    std::uint32_t offset;
    std::size_t parameter; // its index
    double value;
};

// When another latency mode takes effect. CLAP: latency is constant while active, so that the adapter asks for a
// restart (latency_pending). LV2 and VST3: at once, with a cross-fade as soon as the new engine is there; hosts are
// told then (latency_changes).
enum class LatencyChange { on_activation, at_once };

enum class Phase { idle, loading, ready, no_model, failed };

// What can be read at any time, in numbers.
struct Numbers {
    Phase phase = Phase::idle;
    double load = 0;             // of the networks; above 1 they cannot hold
    double latency = 0;          // seconds
    std::uint64_t late = 0;      // runs of the networks that were late since activation
    std::uint64_t concealed = 0; // frames of sound for which they were
};

// What an editor shows.
struct Status {
    Phase phase = Phase::idle;
    std::string model;           // the file's name, without its folder
    std::string message;         // a sentence for the status line: never empty
    double load = 0;             // of the networks; above 1 they cannot hold
    std::uint64_t late = 0;      // runs of the networks that were late since activation
    std::uint64_t concealed = 0; // frames of sound for which they were
    double latency = 0;          // seconds
};

class Shell {
public:
    // binary: the file that holds this code, beside which models are looked for; "": unknown. Reads no file, starts no
    // thread.
    Shell(const Product &product, LatencyChange when, std::string binary);
    ~Shell(); // in any state; ends the loader, while networks run too

    const Product &product() const;
    const Parameters &parameters() const;

    // --- parameters ---
    double value(std::size_t parameter) const;           // any
    void set_value(std::size_t parameter, double value); // any; from the next block on

    // --- life ---
    // max_block: the most samples that the host promises; more are taken all the same. Forgets the signal. Returns
    // soon: the engine is made meanwhile. largest: for hosts that promise nothing, or only what is usual: the most that
    // one of them may send while it plays.
    // false: there is too little memory, and process gives silence.
    bool activate(double sample_rate, std::uint32_t max_block, std::uint32_t largest = 0);
    void deactivate();
    bool active() const; // any
    // A host that says that it renders: nothing is concealed, the engine and its networks are waited for. One that says
    // nothing and is faster than the clock is treated likewise. Any thread.
    void set_offline(bool offline);

    // --- sound (audio) ---
    // Any count. input: two channels, nullptr: silence. outputs: two channels of each bus, bus by bus; nullptr for one
    // that is not wanted, an input is allowed. changes: by rising offset.
    void process(const float *const *input, float *const *outputs, std::uint32_t count, const Change *changes = nullptr,
                 std::size_t n_changes = 0);
    // Forgets the signal.
    void reset();

    // --- latency (any) ---
    std::uint32_t latency() const;         // samples; before the first activation: of 44.1 kHz and blocks of 512
    std::uint32_t latency_changes() const; // a count: it differs when latency() has changed
    bool latency_pending() const;          // on_activation: it would be another one after a restart
    // Samples after which a signal that has ended is silent in all outputs.
    std::uint32_t tail() const;

    // --- model ---
    // A file; "": what is found in the plugin's and the user's folders. Read by the loader, at the next activation or
    // while active.
    void set_model(const std::string &path);
    std::string model() const;

    // --- state ---
    // Parameters and model, as text with a version. load: false, and nothing is changed, if it is none; what it does
    // not name gets its usual value, what is unknown is left out.
    std::string save() const;
    bool load(const std::string &state);

    // --- editor ---
    Status status() const;
    Numbers numbers() const;          // any
    float peak(int bus, int channel); // any; the largest sample since the last call, one reader

private:
    class Body;
    std::unique_ptr<Body> body_;
};

} // namespace spleeterrt::plugin

#endif
