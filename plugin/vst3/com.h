// The object model of VST3 in C++ without a framework, over the plain headers of travesty.
//
// An interface is a pointer to a table of functions; what a host holds is the address of that pointer. An Interface is
// such a pointer with the object that it belongs to behind it, so that every function finds its object from `self`.
#ifndef SPLEETERRT_PLUGIN_VST3_COM_H
#define SPLEETERRT_PLUGIN_VST3_COM_H

#include <travesty/base.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace spleeterrt::plugin::vst3 {

// Windows' codes do not fit into their enumeration's signed type.
constexpr v3_result ok = V3_OK;
constexpr v3_result no = V3_FALSE;
constexpr v3_result no_interface = static_cast<v3_result>(V3_NO_INTERFACE);
constexpr v3_result bad_argument = static_cast<v3_result>(V3_INVALID_ARG);
constexpr v3_result not_implemented = static_cast<v3_result>(V3_NOT_IMPLEMENTED);
constexpr v3_result not_initialised = static_cast<v3_result>(V3_NOT_INITIALIZED);
constexpr v3_result internal_error = static_cast<v3_result>(V3_INTERNAL_ERR);
constexpr v3_result no_memory = static_cast<v3_result>(V3_NOMEM);

struct Interface {
    const void *table;
    void *object;
};

template <typename Object> Object &object_of(void *self)
{
    return *static_cast<Object *>(static_cast<Interface *>(self)->object);
}

// Object has query(iid) -> Interface * or null, retain() and release().
template <typename Object> struct Unknown {
    static v3_result V3_API query(void *self, const v3_tuid iid, void **found)
    {
        if (!found)
            return bad_argument;
        Object &object = object_of<Object>(self);
        *found = iid ? object.query(iid) : nullptr;
        if (!*found)
            return iid ? no_interface : bad_argument;
        object.retain();
        return ok;
    }
    static uint32_t V3_API ref(void *self) { return object_of<Object>(self).retain(); }
    static uint32_t V3_API unref(void *self) { return object_of<Object>(self).release(); }

    static constexpr v3_funknown table = {query, ref, unref};
};

class Counted {
public:
    uint32_t retain() { return count_.fetch_add(1, std::memory_order_relaxed) + 1; }

protected:
    uint32_t drop() { return count_.fetch_sub(1, std::memory_order_acq_rel) - 1; }

private:
    std::atomic<uint32_t> count_{1};
};

// A reference to an interface of the host's.
template <typename Table> class Held {
public:
    Held() = default;
    Held(const Held &) = delete;
    Held &operator=(const Held &) = delete;
    ~Held() { reset(); }

    void reset(Table **interface = nullptr)
    {
        if (interface)
            v3_cpp_obj_ref(interface);
        if (held_)
            v3_cpp_obj_unref(held_);
        held_ = interface;
    }

    // Of another interface of the same object, if it has it.
    template <typename Other> void query(Other **other, const v3_tuid iid)
    {
        Table **found = nullptr;
        if (other && v3_cpp_obj_query_interface(other, iid, &found) != V3_OK)
            found = nullptr;
        if (held_)
            v3_cpp_obj_unref(held_);
        held_ = found;
    }

    Table **get() const { return held_; }
    explicit operator bool() const { return held_ != nullptr; }

private:
    Table **held_ = nullptr;
};

// UTF-8 to a fixed field of UTF-16 or of bytes, cut at a character where it is too long, terminated.
void copy_text(int16_t *to, size_t room, const std::string &text);
void copy_text(char *to, size_t room, const std::string &text);
template <typename Unit, size_t room> void copy_text(Unit (&to)[room], const std::string &text)
{
    copy_text(to, room, text);
}

// At most `room` units, as of a string that a host may not have terminated.
std::string from_utf16(const int16_t *text, size_t room);

} // namespace spleeterrt::plugin::vst3

#endif
