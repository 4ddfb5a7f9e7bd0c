// Exceptions without unwinding: WASI's libraries have none, and everything is compiled with -fignore-exceptions. What
// is thrown goes to JavaScript as a message, and the instance with it.
#include "host.h"

#include <cstdlib>
#include <exception>
#include <new>
#include <typeinfo>

namespace {

[[noreturn]] void no_memory() { srt_host_fail(srt_host_no_memory, "not enough memory"); }

} // namespace

extern "C" {

void *__cxa_allocate_exception(std::size_t size)
{
    void *object = std::malloc(size);
    if (!object)
        no_memory();
    return object;
}

void __cxa_free_exception(void *object) { std::free(object); }

// All that the core and the C++ library throw derives from std::exception before anything else.
[[noreturn]] void __cxa_throw(void *object, std::type_info *type, void (*)(void *))
{
    if (*type == typeid(std::bad_alloc))
        no_memory();
    srt_host_fail(srt_host_failure, static_cast<std::exception *>(object)->what());
}

void *__cxa_begin_catch(void *object) { return object; }
void __cxa_end_catch() {}

} // extern "C"

void *operator new(std::size_t size)
{
    void *block = std::malloc(size ? size : 1);
    if (!block)
        no_memory();
    return block;
}
void *operator new[](std::size_t size) { return operator new(size); }
void operator delete(void *block) noexcept { std::free(block); }
void operator delete[](void *block) noexcept { std::free(block); }
void operator delete(void *block, std::size_t) noexcept { std::free(block); }
void operator delete[](void *block, std::size_t) noexcept { std::free(block); }
