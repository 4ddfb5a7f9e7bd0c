// Where a model's bytes come from: a file, or memory. What reads models knows no more of files than this.
#ifndef SPLEETERRT_BYTE_SOURCE_H
#define SPLEETERRT_BYTE_SOURCE_H

#include <atomic>
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

// For a thread whose model may be wanted no longer while it is read: from `stop` on its files cannot be read, as if
// they were damaged. Lasts as long as the object, which outlives no other one of its thread.
class StopReading {
public:
    explicit StopReading(const std::atomic<bool> &stop);
    ~StopReading();
    StopReading(const StopReading &) = delete;
    StopReading &operator=(const StopReading &) = delete;

    static bool stopped(); // this thread

private:
    const std::atomic<bool> *const outer_;
};

// Bytes that outlive the source.
std::unique_ptr<ByteSource> memory_source(const void *bytes, std::size_t size);

} // namespace spleeterrt

#endif
