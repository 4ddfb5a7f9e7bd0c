// Floats that start at a cache line, as the kernels want them, all zeros. Memory that is never written is never taken.
#ifndef SPLEETERRT_ALIGNED_H
#define SPLEETERRT_ALIGNED_H

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace spleeterrt {

class AlignedFloats {
public:
    static constexpr std::size_t alignment = 64; // bytes; a BLAS may round differently for other alignments

    AlignedFloats() = default;
    // Throws std::bad_alloc; aborts in a build without exceptions.
    explicit AlignedFloats(std::size_t count) : size_(count)
    {
        if (count > SIZE_MAX / sizeof(float) - spare)
            no_memory();
        block_.reset(std::calloc(count + spare, sizeof(float)));
        if (!block_)
            no_memory();
        data_ = at_line(block_.get());
    }

    // The same in large pages where the system has them (Linux: transparent huge pages, if "madvise" or "always"), from
    // 4 MB on: for what is walked through from end to end, as weights are, and the windows of whole signals. Memory is
    // taken in steps of 2 MB then.
    static AlignedFloats in_large_pages(std::size_t count)
    {
        AlignedFloats floats(count);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
        constexpr std::size_t page = 4096, least = std::size_t{4} << 20;
        if (count >= least / sizeof(float)) {
            const auto first = (reinterpret_cast<std::uintptr_t>(floats.data_) + page - 1) / page * page;
            const auto end = reinterpret_cast<std::uintptr_t>(floats.data_ + count) / page * page;
            madvise(reinterpret_cast<void *>(first), end - first, MADV_HUGEPAGE); // a wish: it may be refused
        }
#endif
        return floats;
    }

    // Where a cache line begins in memory that is `spare` floats longer than what is to lie there.
    static constexpr std::size_t spare = alignment / sizeof(float);
    static float *at_line(void *memory)
    {
        const auto address = reinterpret_cast<std::uintptr_t>(memory);
        return reinterpret_cast<float *>((address + alignment - 1) / alignment * alignment);
    }

    float *data() { return data_; }
    const float *data() const { return data_; }
    std::size_t size() const { return size_; }

private:
    [[noreturn]] static void no_memory()
    {
#if defined(__cpp_exceptions)
        throw std::bad_alloc();
#else
        std::abort();
#endif
    }

    struct Free {
        void operator()(void *block) const { std::free(block); }
    };
    std::unique_ptr<void, Free> block_;
    float *data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace spleeterrt

#endif
