#include "network/byte_source.h"

#include <cstring>

namespace spleeterrt {
namespace {

class MemorySource : public ByteSource {
public:
    MemorySource(const void *bytes, std::size_t size) : bytes_(static_cast<const char *>(bytes)), size_(size) {}

    std::uint64_t size() const override { return size_; }

    bool read(std::uint64_t offset, void *out, std::size_t size) override
    {
        if (offset > size_ || size > size_ - offset)
            return false;
        if (size)
            std::memcpy(out, bytes_ + offset, size);
        return true;
    }

private:
    const char *bytes_;
    std::size_t size_;
};

} // namespace

std::unique_ptr<ByteSource> memory_source(const void *bytes, std::size_t size)
{
    return std::unique_ptr<ByteSource>(new MemorySource(bytes, size));
}

} // namespace spleeterrt
