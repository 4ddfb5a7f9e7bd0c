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

// The caller's structure over the defaults: that of a program which was compiled for an earlier version has fewer
// fields. least: bytes of the first version's. False: of a later version, or not begun with the defaults.
template <typename Struct> bool take_over(const Struct *given, std::size_t least, Struct &taken)
{
    if (!given)
        return true;
    if (given->size < least || given->size > sizeof taken)
        return false;
    std::memcpy(static_cast<void *>(&taken), given, given->size);
    return true;
}

} // namespace spleeterrt

#endif
