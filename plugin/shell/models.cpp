#include "shell/models.h"

#include "network/byte_source.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <thread>

#if !defined(_WIN32)
#include <pwd.h>
#include <unistd.h>
#endif

namespace fs = std::filesystem;

namespace spleeterrt::plugin {
namespace {

const char *const suffix = ".safetensors";

std::string variable(const char *name)
{
#if defined(_WIN32)
    const wchar_t *value = _wgetenv(fs::path(name).c_str());
    return value ? fs::path(value).u8string() : "";
#else
    const char *value = std::getenv(name);
    return value ? value : "";
#endif
}

// What is no whole path would depend on where the host was started.
std::string absolute(const std::string &path) { return fs::u8path(path).is_absolute() ? path : ""; }

#if !defined(_WIN32)
std::string home()
{
    const std::string named = absolute(variable("HOME"));
    if (!named.empty())
        return named;
    std::vector<char> text(16384); // a service's host has no HOME: what the system knows of its user
    struct passwd entry = {}, *found = nullptr;
    if (getpwuid_r(getuid(), &entry, text.data(), text.size(), &found) != 0 || !found || !entry.pw_dir)
        return "";
    return absolute(entry.pw_dir);
}
#endif

std::string under(const std::string &folder, const char *rest)
{
    return folder.empty() ? "" : (fs::u8path(folder) / fs::u8path(rest)).u8string();
}

bool is_file(const std::string &path)
{
    std::error_code error;
    return fs::is_regular_file(fs::u8path(path), error);
}

std::vector<std::string> folders(const std::string &binary)
{
    std::vector<std::string> all = {user_model_folder()};
    if (!binary.empty()) {
        const fs::path beside = fs::u8path(binary).parent_path();
        all.push_back((beside / "models").u8string());
        all.push_back((beside.parent_path() / "Resources" / "models").u8string()); // Contents/<system>/binary
#if defined(__APPLE__)
        all.push_back(under(binary, "Contents/Resources/models")); // hosts name the bundle
#endif
    }
#if defined(_WIN32)
    all.push_back(under(absolute(variable("PROGRAMDATA")), "spleeterrt/models"));
#elif defined(__APPLE__)
    all.push_back("/Library/Application Support/spleeterrt/models");
#else
    all.push_back("/usr/local/share/spleeterrt/models");
    all.push_back("/usr/share/spleeterrt/models");
#endif
    all.erase(std::remove(all.begin(), all.end(), ""), all.end());
    return all;
}

// Model files of a folder: the one that bears the product's name first.
std::vector<std::string> files_of(const std::string &folder, const Product &product)
{
    const std::string best = std::to_string(product.stems) + "stems" + suffix;
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator i(fs::u8path(folder), error), end; !error && i != end; i.increment(error))
        if (i->path().extension() == suffix)
            names.push_back(i->path().filename().u8string());
    std::sort(names.begin(), names.end(), [&](const std::string &a, const std::string &b) {
        return (a == best) != (b == best) ? a == best : a < b;
    });
    for (std::string &name : names)
        name = under(folder, name.c_str());
    return names;
}

// --- models of this process -----------------------------------------------------------------------

struct Known {
    std::string path;
    fs::file_time_type time;
    std::uintmax_t size;
    std::weak_ptr<srt_model> model;
};

SharedModel open_shared(const std::string &path, std::string &problem)
{
    static std::mutex &mutex = *new std::mutex; // loaders may outlive the destructors of statics
    static std::vector<Known> &all = *new std::vector<Known>;
    std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
    for (; !lock.owns_lock(); static_cast<void>(lock.try_lock())) { // another one is being read
        if (StopReading::stopped())
            return nullptr;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    all.erase(std::remove_if(all.begin(), all.end(), [](const Known &one) { return one.model.expired(); }), all.end());
    std::error_code error;
    const fs::file_time_type time = fs::last_write_time(fs::u8path(path), error);
    const std::uintmax_t size = fs::file_size(fs::u8path(path), error);
    std::error_code unknown;
    if (fs::exists(fs::u8path(path), unknown) && !is_file(path)) { // reading a pipe might never end
        problem = file_name(path) + " is not a file";
        return nullptr;
    }
    for (const Known &one : all)
        if (!error && one.path == path && one.time == time && one.size == size)
            if (SharedModel model = one.model.lock())
                return model;
    char message[SRT_MESSAGE_SIZE] = "";
    srt_model *opened = nullptr;
    if (srt_model_open(path.c_str(), nullptr, &opened, message) != SRT_OK) {
        problem = message;
        return nullptr;
    }
    SharedModel model(opened, srt_model_release);
    all.push_back({path, time, size, model});
    return model;
}

std::string stems_of(const srt_model &model)
{
    std::string names;
    for (int s = 0; s < srt_model_stems(&model); s++)
        names += (s ? ", " : "") + std::string(srt_model_stem_name(&model, s));
    return names;
}

// Its header says whether it makes the product's stems, and at the time that hosts are told.
bool fits(const Product &product, const srt_model &model, const std::string &path, std::string &problem)
{
    const std::string stems = stem_list(product);
    srt_options options = srt_default_options();
    options.stems = stems.c_str();
    options.residual = 1;
    std::size_t latency = 0;
    char message[SRT_MESSAGE_SIZE] = "";
    if (srt_latency_of(&options, &model, &latency, message) != SRT_OK) {
        problem = file_name(path) + " makes " + stems_of(model) + ", and this plugin needs " + stems;
        return false;
    }
    std::size_t expected = 0;
    if (srt_latency_of(&options, nullptr, &expected, message) == SRT_OK && latency == expected)
        return true;
    problem = file_name(path) + " is of another kind than Spleeter's models: its rate or its frames differ";
    return false;
}

} // namespace

std::string user_model_folder()
{
#if defined(_WIN32)
    return under(absolute(variable("LOCALAPPDATA")), "spleeterrt/models");
#elif defined(__APPLE__)
    return under(home(), "Library/Application Support/spleeterrt/models");
#else
    const std::string data = absolute(variable("XDG_DATA_HOME"));
    return data.empty() ? under(home(), ".local/share/spleeterrt/models") : under(data, "spleeterrt/models");
#endif
}

std::string place_for_models()
{
    const std::string users = user_model_folder();
    if (!users.empty())
        return users;
    const std::vector<std::string> others = folders("");
    return others.empty() ? "a folder named models beside the plugin" : others.back();
}

std::vector<std::string> model_files(const Product &product, const std::string &chosen, const std::string &binary)
{
    if (!chosen.empty()) {
        if (is_file(chosen))
            return {chosen};
        const std::string name = chosen.substr(chosen.find_last_of("/\\") + 1); // of whatever system
        for (const std::string &folder : folders(binary)) {                     // a project from another machine
            const std::string same = under(folder, name.c_str());
            if (is_file(same))
                return {same};
        }
        return {chosen};
    }
    const std::string named = variable("SPLEETERRT_PLUGIN_MODEL");
    if (!named.empty())
        return {named};
    std::vector<std::string> all;
    for (const std::string &folder : folders(binary))
        for (std::string &file : files_of(folder, product))
            all.push_back(std::move(file));
    return all;
}

std::string stem_list(const Product &product)
{
    std::string names = product.stem_names[0];
    for (int s = 1; s < product.stems; s++)
        names += std::string(",") + product.stem_names[s];
    return names;
}

SharedModel open_model(const Product &product, const std::vector<std::string> &files, std::string &file,
                       std::string &problem)
{
    std::string first_problem;
    for (const std::string &path : files) {
        problem.clear();
        SharedModel model = open_shared(path, problem);
        if (model && fits(product, *model, path, problem)) {
            file = path;
            return model;
        }
        if (first_problem.empty())
            first_problem = problem;
    }
    problem = first_problem;
    return nullptr;
}

std::string file_name(const std::string &path) { return fs::u8path(path).filename().u8string(); }

} // namespace spleeterrt::plugin
