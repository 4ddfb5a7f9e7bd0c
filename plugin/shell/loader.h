// The thread that makes engines and ends them, and the two slots through which they pass to the audio thread and back.
#ifndef SPLEETERRT_PLUGIN_LOADER_H
#define SPLEETERRT_PLUGIN_LOADER_H

#include "shell/engine.h"
#include "shell/shell.h"
#include "stream/counting_semaphore.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace spleeterrt::plugin {

// What the loader has made of a setting; no engine: there is no model, or it is damaged.
struct Delivery {
    std::uint64_t request = 0;
    Setting setting;
    std::unique_ptr<Engine> engine;
};

class Loader {
public:
    Loader(const Product &product, std::string binary) : product_(product), binary_(std::move(binary)) {}
    ~Loader();

    // --- main ---
    void start(); // its thread, if it does not run yet
    void set_model(const std::string &path);
    std::string model() const;
    void report(Status &status) const;                                     // phase, model, message
    Phase phase() const { return phase_.load(std::memory_order_relaxed); } // any

    // --- main while the audio thread stands still, or audio ---
    void ask(const Setting &setting);
    void ask_again();                                          // any: the same setting, another model
    bool coming() const { return busy() || incoming_.load(); } // what was asked for last is not taken yet
    // What was asked for last, once it is made; null: not yet. Only if `room`.
    Delivery *take();
    bool room() const { return !outgoing_.load(std::memory_order_acquire); }
    void give_back(Delivery *delivery); // if there is room

    // --- audio, where it renders ---
    bool busy() const
    {
        return running_ && made_.load(std::memory_order_acquire) != asked_.load(std::memory_order_acquire);
    }
    void wait();

private:
    void work();
    void make(std::uint64_t request);
    Setting setting() const;
    void say(Phase phase, const std::string &model, const std::string &message);

    const Product &product_;
    const std::string binary_;
    bool running_ = false;
    std::thread thread_;
    Semaphore wake_;
    std::atomic<bool> quit_{false};

    // The request: its number is written last.
    std::atomic<double> rate_{0};
    std::atomic<std::uint32_t> block_{0};
    std::atomic<int> mode_{0}, late_{0};
    std::atomic<std::uint64_t> asked_{0}, made_{0};
    std::atomic<Delivery *> incoming_{nullptr}, outgoing_{nullptr};

    SharedModel model_; // of the loader: stays in memory from engine to engine

    mutable std::mutex mutex_; // what follows: main and loader
    std::condition_variable done_;
    std::string chosen_, shown_, message_;
    std::atomic<Phase> phase_{Phase::idle}; // written by these, read by any
};

} // namespace spleeterrt::plugin

#endif
