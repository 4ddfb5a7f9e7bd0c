// What the core asks of a system. The model's file is what JavaScript holds: it is read piece by piece, never as a
// whole into this memory.
#include "host.h"
#include "model.h"

#include "machine.h"
#include "network/byte_source.h"

namespace spleeterrt {
namespace {

class HostSource : public ByteSource {
public:
    explicit HostSource(std::uint64_t size) : size_(size) {}

    std::uint64_t size() const override { return size_; }

    bool read(std::uint64_t offset, void *out, std::size_t size) override
    {
        if (offset > size_ || size > size_ - offset)
            return false;
        return size == 0 || srt_host_read(static_cast<double>(offset), out, size);
    }

private:
    std::uint64_t size_;
};

} // namespace

// Instead of core/network/file_source.cpp's; there is one file.
std::unique_ptr<ByteSource> open_file(const std::string &, std::string &)
{
    return std::unique_ptr<ByteSource>(new HostSource(the_model().file_size));
}

// Instead of core/machine.cpp's.
ThreadCount usual_threads() { return {1, "a worker"}; }

} // namespace spleeterrt
