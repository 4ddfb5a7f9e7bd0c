#include "shell/loader.h"

#include "network/byte_source.h"
#include "shell/models.h"
#include "stream/worker_threads.h"

#include <exception>
#include <system_error>

namespace spleeterrt::plugin {

Loader::~Loader()
{
    quit_.store(true);
    wake_.post();
    if (thread_.joinable())
        thread_.join();
    delete incoming_.load();
    delete outgoing_.load();
}

void Loader::start()
{
    if (running_)
        return;
    const NoSignals quiet; // the host's handlers run in the host's threads
    try {
        thread_ = std::thread([this] { work(); });
        running_ = true;
    } catch (const std::system_error &) {
        say(Phase::failed, "", "The system gives no thread: the stems are not separated");
    }
}

void Loader::set_model(const std::string &path)
{
    {
        std::lock_guard<std::mutex> lock(mutex_);
        if (path == chosen_)
            return;
        chosen_ = path;
    }
    if (asked_.load() != 0)
        ask_again();
}

std::string Loader::model() const
{
    std::lock_guard<std::mutex> lock(mutex_);
    return chosen_;
}

void Loader::report(Status &status) const
{
    std::lock_guard<std::mutex> lock(mutex_);
    status.phase = phase_;
    status.model = shown_;
    status.message = message_;
}

void Loader::say(Phase phase, const std::string &model, const std::string &message)
{
    std::lock_guard<std::mutex> lock(mutex_);
    phase_ = phase;
    shown_ = model;
    message_ = message;
}

void Loader::ask(const Setting &setting)
{
    rate_.store(setting.rate);
    block_.store(setting.block);
    mode_.store(setting.mode);
    late_.store(setting.late);
    ask_again();
}

void Loader::ask_again()
{
    asked_.fetch_add(1);
    wake_.post();
}

Setting Loader::setting() const
{
    Setting setting;
    setting.rate = rate_.load();
    setting.block = block_.load();
    setting.mode = mode_.load();
    setting.late = late_.load();
    return setting;
}

Delivery *Loader::take()
{
    if (!incoming_.load(std::memory_order_relaxed) || !room())
        return nullptr;
    Delivery *delivery = incoming_.exchange(nullptr, std::memory_order_acq_rel);
    if (delivery && delivery->request != asked_.load()) { // something else is wanted by now
        give_back(delivery);
        return nullptr;
    }
    return delivery;
}

void Loader::give_back(Delivery *delivery)
{
    if (!delivery)
        return;
    outgoing_.store(delivery, std::memory_order_release);
    wake_.post();
}

void Loader::wait()
{
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return !busy(); });
}

void Loader::work()
{
    const StopReading stop(quit_); // who closes the plugin does not wait for a model to be read
    for (;;) {
        wake_.wait();
        delete outgoing_.exchange(nullptr, std::memory_order_acq_rel);
        if (quit_.load())
            return;
        const std::uint64_t request = asked_.load();
        if (request == made_.load())
            continue;
        try {
            make(request);
        } catch (const std::exception &error) { // no memory
            say(Phase::failed, "", error.what());
        }
        {
            std::lock_guard<std::mutex> lock(mutex_);
            made_.store(request, std::memory_order_release);
        }
        done_.notify_all();
    }
}

void Loader::make(std::uint64_t request)
{
    std::unique_ptr<Delivery> delivery(new Delivery);
    delivery->request = request;
    delivery->setting = setting();
    std::string file, problem;
    say(Phase::loading, "", "Loading the model");
    const std::vector<std::string> files = model_files(product_, model(), binary_);
    model_ = open_model(product_, files, file, problem);
    if (model_)
        delivery->engine = Engine::make(product_, delivery->setting, model_, file, problem);
    if (asked_.load() != request) // by now something else is wanted
        return;
    if (delivery->engine)
        say(Phase::ready, file_name(file), file_name(file));
    else if (files.empty())
        say(Phase::no_model, "", "No model: put one into " + place_for_models());
    else
        say(Phase::failed, file_name(file.empty() ? files.front() : file),
            files.size() > 1 ? problem + "; put one that does into " + place_for_models() : problem);
    delete incoming_.exchange(delivery.release(), std::memory_order_acq_rel);
}

} // namespace spleeterrt::plugin
