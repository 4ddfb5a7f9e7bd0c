/* For clang's RealtimeSanitizer (-fsanitize=realtime, from clang 20 on) and its -Wfunction-effects: what must neither
 * allocate nor lock nor wait. Other compilers see nothing. */
#ifndef SPLEETERRT_REALTIME_H
#define SPLEETERRT_REALTIME_H

/* SRT_NONBLOCKING, behind a function's parameters: in whatever mode, it never does. */
#if defined(__has_cpp_attribute)
#if __has_cpp_attribute(clang::nonblocking)
#define SRT_NONBLOCKING [[clang::nonblocking]]
#endif
#endif
#if !defined(SRT_NONBLOCKING)
#define SRT_NONBLOCKING
#endif

#if defined(__has_feature)
#if __has_feature(realtime_sanitizer)
#define SRT_REALTIME_SANITIZER
extern "C" void __rtsan_realtime_enter();
extern "C" void __rtsan_realtime_exit();
#endif
#endif

namespace spleeterrt {

/* While it lives, and if it is active, this thread must not: for what may wait in other modes. */
class RealtimeScope {
public:
#if defined(SRT_REALTIME_SANITIZER)
    explicit RealtimeScope(bool active) : active_(active)
    {
        if (active_)
            __rtsan_realtime_enter();
    }
    ~RealtimeScope()
    {
        if (active_)
            __rtsan_realtime_exit();
    }

private:
    const bool active_;

public:
#else
    explicit RealtimeScope(bool) {}
    ~RealtimeScope() {}
#endif
    RealtimeScope(const RealtimeScope &) = delete;
    RealtimeScope &operator=(const RealtimeScope &) = delete;
};

} // namespace spleeterrt

#endif
