#include "network/byte_source.h"

#include <filesystem>
#include <fstream>
#include <system_error>

namespace spleeterrt {
namespace {

thread_local const std::atomic<bool> *stop_reading = nullptr;

class FileSource : public ByteSource {
public:
    FileSource(const std::filesystem::path &path, std::uint64_t size) : stream_(path, std::ios::binary), size_(size) {}

    bool is_open() const { return stream_.is_open(); }
    std::uint64_t size() const override { return size_; }

    bool read(std::uint64_t offset, void *out, std::size_t size) override
    {
        if (StopReading::stopped())
            return false;
        stream_.clear();
        stream_.seekg(static_cast<std::streamoff>(offset));
        stream_.read(static_cast<char *>(out), static_cast<std::streamsize>(size));
        return stream_.good() && static_cast<std::size_t>(stream_.gcount()) == size;
    }

private:
    std::ifstream stream_;
    std::uint64_t size_;
};

} // namespace

StopReading::StopReading(const std::atomic<bool> &stop) : outer_(stop_reading) { stop_reading = &stop; }
StopReading::~StopReading() { stop_reading = outer_; }
bool StopReading::stopped() { return stop_reading && stop_reading->load(std::memory_order_relaxed); }

std::unique_ptr<ByteSource> open_file(const std::string &path, std::string &error)
{
    const auto place = std::filesystem::u8path(path); // wide characters on Windows
    std::error_code code;
    error = "";
    if (!std::filesystem::exists(place, code))
        error = "no such file";
    else if (!std::filesystem::is_regular_file(place, code)) // neither a folder nor something that never ends
        error = "not a file";
    if (!error.empty())
        return nullptr;
    const std::uint64_t size = std::filesystem::file_size(place, code);
    std::unique_ptr<FileSource> source;
    if (!code)
        source.reset(new FileSource(place, size));
    if (!source || !source->is_open()) {
        error = "cannot be opened";
        return nullptr;
    }
    return source;
}

} // namespace spleeterrt
