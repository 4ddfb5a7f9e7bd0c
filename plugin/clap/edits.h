// What the user does in the editor, on its way from the main thread to where the host takes events.
#ifndef SPLEETERRT_PLUGIN_CLAP_EDITS_H
#define SPLEETERRT_PLUGIN_CLAP_EDITS_H

#include <atomic>
#include <cstddef>

namespace spleeterrt::plugin {

struct Edit {
    enum What { begin, value, end } what;
    std::size_t parameter;
    double to;
};

// One writer, one reader, no lock.
class Edits {
public:
    bool push(const Edit &edit) // false: nobody has read for long
    {
        const std::size_t end = end_.load(std::memory_order_relaxed);
        if (end - begin_.load(std::memory_order_acquire) == size)
            return false;
        ring_[end % size] = edit;
        end_.store(end + 1, std::memory_order_release);
        return true;
    }
    const Edit *first() const // nullptr: there is none
    {
        const std::size_t begin = begin_.load(std::memory_order_relaxed);
        return begin == end_.load(std::memory_order_acquire) ? nullptr : &ring_[begin % size];
    }
    void pop() { begin_.fetch_add(1, std::memory_order_release); }

private:
    static constexpr std::size_t size = 1024;
    Edit ring_[size] = {};
    std::atomic<std::size_t> begin_{0}, end_{0};
};

} // namespace spleeterrt::plugin

#endif
