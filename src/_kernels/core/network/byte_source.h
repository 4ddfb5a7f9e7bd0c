// Where a model's bytes come from: a file, or memory. What reads models knows no more of files than this.
#ifndef SPLEETERRT_BYTE_SOURCE_H
#define SPLEETERRT_BYTE_SOURCE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace spleeterrt {

class ByteSource {
public:
    virtual ~ByteSource() = default;
    virtual std::uint64_t size() const = 0;
    // Whether `size` bytes from `offset` on could be read.
    virtual bool read(std::uint64_t offset, void *out, std::size_t size) = 0;
};

// A regular file; path: UTF-8 on Windows, elsewhere bytes as the system takes them. Null, and why, where it cannot be
// opened.
std::unique_ptr<ByteSource> open_file(const std::string &path, std::string &error);

// Bytes that outlive the source.
std::unique_ptr<ByteSource> memory_source(const void *bytes, std::size_t size);

} // namespace spleeterrt

#endif
