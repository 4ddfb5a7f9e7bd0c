// Clients of a JACK server. libjack is looked for at run time: neither a build nor an import needs it.
#ifndef SPLEETERRT_LIVE_JACK_H
#define SPLEETERRT_LIVE_JACK_H

#include "live/callback.h"
#include "live/library.h"

#include <cstdint>
#include <string>
#include <vector>

// The few functions of jack/jack.h that are used here; their ABI has been stable since JACK 0.120.
extern "C" {
typedef struct _jack_client jack_client_t;
typedef struct _jack_port jack_port_t;
typedef std::uint32_t jack_nframes_t;
typedef struct {
    jack_nframes_t min, max;
} jack_latency_range_t;
}

namespace spleeterrt {

struct JackApi {
    explicit JackApi(const std::vector<std::string> &names);

    jack_client_t *(*client_open)(const char *, int, int *, ...);
    int (*client_close)(jack_client_t *);
    const char *(*get_client_name)(jack_client_t *);
    int (*activate)(jack_client_t *), (*deactivate)(jack_client_t *);
    jack_nframes_t (*get_sample_rate)(jack_client_t *), (*get_buffer_size)(jack_client_t *);
    int (*set_buffer_size)(jack_client_t *, jack_nframes_t);
    int (*is_realtime)(jack_client_t *);
    int (*client_real_time_priority)(jack_client_t *) = nullptr; // may be missing
    jack_nframes_t (*last_frame_time)(const jack_client_t *);
    int (*set_process_callback)(jack_client_t *, int (*)(jack_nframes_t, void *), void *);
    int (*set_buffer_size_callback)(jack_client_t *, int (*)(jack_nframes_t, void *), void *);
    int (*set_xrun_callback)(jack_client_t *, int (*)(void *), void *);
    int (*set_latency_callback)(jack_client_t *, void (*)(int, void *), void *);
    void (*on_shutdown)(jack_client_t *, void (*)(void *), void *);
    void (*on_info_shutdown)(jack_client_t *, void (*)(int, const char *, void *), void *) = nullptr; // may be missing
    int (*recompute_total_latencies)(jack_client_t *);
    jack_port_t *(*port_register)(jack_client_t *, const char *, const char *, unsigned long, unsigned long);
    void *(*port_get_buffer)(jack_port_t *, jack_nframes_t);
    const char *(*port_name)(const jack_port_t *);
    int (*port_connected)(const jack_port_t *);
    void (*port_get_latency_range)(jack_port_t *, int, jack_latency_range_t *);
    void (*port_set_latency_range)(jack_port_t *, int, jack_latency_range_t *);
    int (*connect)(jack_client_t *, const char *, const char *);
    const char **(*get_ports)(jack_client_t *, const char *, const char *, unsigned long);
    void (*free)(void *);
};

// A client whose ports are not yet in the graph. Functions throw std::runtime_error with what to do.
class JackPorts {
public:
    JackPorts(const std::vector<std::string> &libraries, const std::string &name);
    ~JackPorts();
    JackPorts(const JackPorts &) = delete;
    JackPorts &operator=(const JackPorts &) = delete;

    std::string name() const { return api_.get_client_name(client_); }
    unsigned sample_rate() const { return api_.get_sample_rate(client_); }
    bool realtime() const { return api_.is_realtime(client_) != 0; }
    // Of the callback, on the scale of sched_setscheduler; 0: an ordinary thread, or not known.
    int priority() const;
    // Asks the server for another block size.
    void ask_block(std::size_t block);
    // What the server's end was, or "": it runs.
    std::string ended() const;
    void connect(const std::string &from, const std::string &to);
    // Full names of the hardware's ports: those that give sound, or those that take it.
    std::vector<std::string> hardware(bool sources);

protected:
    jack_port_t *add_port(const std::string &name, bool input);
    void activate();
    void close(); // before what the callbacks use goes away

    JackApi api_;
    jack_client_t *client_ = nullptr;

private:
    std::atomic<bool> ended_{false}, active_{false};
    char reason_[200] = "";
};

// Stereo in (more channels are mixed by weights); every stem and the mix under the gains out.
class JackClient : public JackPorts, public AudioClient {
public:
    // inputs: names of the input ports; weights: as of Downmix.
    JackClient(const std::vector<std::string> &libraries, const std::string &name,
               const std::vector<std::string> &stems, const std::vector<std::string> &inputs,
               const std::vector<float> &weights);
    ~JackClient() override;

    std::string name() const override { return JackPorts::name(); }
    unsigned sample_rate() const override { return JackPorts::sample_rate(); }
    // The block of the server at this moment. Blocks that the engine does not take are silent.
    std::size_t block() const override { return block_.load(); }
    bool realtime() const override { return JackPorts::realtime(); }
    int priority() const override { return JackPorts::priority(); }
    std::string ended() const override { return JackPorts::ended(); }
    void use(const LiveSource *source) override; // tells the hosts its latency
    void start() override { activate(); }
    LiveCallback &callback() override { return callback_; }
    // Of the first output port, as other clients see it: from the hardware on.
    std::size_t capture_latency();

private:
    int process(jack_nframes_t count);
    void report_latency(int mode);
    jack_latency_range_t latency_through(const std::vector<jack_port_t *> &ports, int mode, std::size_t side,
                                         bool connected);

    LiveCallback callback_;
    Downmix downmix_;
    std::atomic<std::size_t> block_{0}, latency_{0};
    std::vector<jack_port_t *> in_;
    std::vector<const float *> channels_; // of in_
    std::vector<jack_port_t *> out_;      // [stems + 1][2], the mix last
    std::vector<StreamOutput> outs_;
};

// For tests and benchmarks: plays a loop from memory and records into memory, both by the server's clock.
class JackTape : public JackPorts {
public:
    // music: [frames][2], nullptr: plays nothing. Both memories outlive the client.
    JackTape(const std::vector<std::string> &libraries, const std::string &name, const float *music, std::size_t frames,
             float *record, std::size_t record_channels, std::size_t record_frames);
    ~JackTape() { close(); }

    void start() { activate(); }
    // The server's time of the first sample played and recorded.
    std::uint32_t begun() const { return begun_.load(); }
    std::uint64_t callbacks() const { return callbacks_.load(); }
    std::uint64_t xruns() const { return xruns_.load(); }
    double worst_gap() const { return worst_gap_.load(); } // seconds between two callbacks
    void reset_stats();

private:
    int process(jack_nframes_t count);

    const float *music_;
    float *record_;
    std::size_t frames_, record_frames_;
    std::vector<jack_port_t *> out_, in_;
    std::atomic<std::uint32_t> begun_{0};
    std::atomic<std::uint64_t> callbacks_{0}, xruns_{0};
    std::atomic<double> last_{0}, worst_gap_{0};
};

} // namespace spleeterrt

#endif
