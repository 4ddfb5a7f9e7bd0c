// What the parts of the C interface share: messages and codes.
#ifndef SPLEETERRT_C_COMMON_H
#define SPLEETERRT_C_COMMON_H

#include "c/spleeterrt.h"

#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <system_error>

namespace spleeterrt {

// Into the caller's SRT_MESSAGE_SIZE characters, if there are any.
void tell(char *message, const char *text, const char *more = "");

// The code, and the message for the caller where it is not SRT_OK. Takes no memory: there may be none.
inline int told(int code, char *message, const char *text, const char *more = "")
{
    if (code == SRT_OK)
        text = more = "";
    tell(message, text, more);
    return code;
}
inline int told(int code, char *message, const std::string &text) { return told(code, message, text.c_str()); }

// The code that work returns, or the one of what it throws: nothing passes the border of the interface.
template <typename Work> int guarded(char *message, Work work)
{
    tell(message, "");
    try {
        return work();
    } catch (const std::bad_alloc &) {
        return told(SRT_NO_MEMORY, message, "not enough memory");
    } catch (const std::system_error &error) {
        return told(SRT_NO_MEMORY, message, "the system gives this process no more threads: ", error.what());
    } catch (const std::exception &error) {
        return told(SRT_FAILED, message, error.what());
    }
}

// A structure that is passed by its size: nothing behind its last field, where a field of a later version would share
// bytes with an earlier one's padding.
#define SRT_CHECK_END(Struct, last)                                                     \
    static_assert(offsetof(Struct, last) + sizeof(Struct::last) == sizeof(Struct),      \
                  "name the last field of " #Struct                                     \
                  " here; where the structure ends in padding, append `int reserved`, " \
                  "which the next int field replaces")

// Whether such a structure can be `size` bytes long in a program of this version or an earlier one, back to the one
// that ended at `least`. Multiples of the alignment cut no field.
template <typename Struct> bool is_size_of(std::size_t size, std::size_t least)
{
    return size >= least && size <= sizeof(Struct) && size % alignof(Struct) == 0;
}

// The caller's structure over the defaults: that of a program which was compiled for an earlier version has fewer
// fields. False: of a later version, or not begun with the defaults.
template <typename Struct> bool take_over(const Struct *given, std::size_t least, Struct &taken)
{
    if (!given)
        return true;
    if (!is_size_of<Struct>(given->size, least))
        return false;
    std::memcpy(static_cast<void *>(&taken), given, given->size);
    return true;
}

// Into the caller's structure of `size` bytes as much as fits; what a later version has behind it becomes zeros.
template <typename Struct> void give(const Struct &ours, Struct *theirs, std::size_t size)
{
    std::memset(static_cast<void *>(theirs), 0, size);
    std::memcpy(static_cast<void *>(theirs), &ours, size < sizeof ours ? size : sizeof ours);
}

// The defaults for a program whose structure has that size.
template <typename Struct> void give_defaults(Struct defaults, Struct *theirs, std::size_t size)
{
    defaults.size = size;
    if (theirs)
        give(defaults, theirs, size);
}

} // namespace spleeterrt

#endif
