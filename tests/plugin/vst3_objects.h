// What a VST3 host shows to a plugin: an application, a handler of edits, streams of bytes, changes of parameters.
#ifndef SPLEETERRT_TESTS_VST3_OBJECTS_H
#define SPLEETERRT_TESTS_VST3_OBJECTS_H

#include <travesty/audio_processor.h>
#include <travesty/bstream.h>
#include <travesty/component.h>
#include <travesty/edit_controller.h>
#include <travesty/factory.h>
#include <travesty/host.h>
#include <travesty/unit.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace host {

template <typename Functions> struct Table : v3_funknown {
    Functions functions;
};

// An object of one interface: the pointer to its table comes first. A host's objects outlive its plugins here, so that
// references are only counted: one too many or too few shows at the end.
template <typename Functions> struct Object {
    const Table<Functions> *const table;
    const uint8_t *const iid;
    const Table<Functions> own;
    std::atomic<int> references{0};

    Object(const Functions &functions, const uint8_t *id) : table(&own), iid(id), own{{query, ref, unref}, functions} {}
    Object(const Object &) = delete;
    Object &operator=(const Object &) = delete;

    static v3_result V3_API query(void *self, const v3_tuid wanted, void **found)
    {
        auto *object = static_cast<Object *>(self);
        *found = nullptr;
        if (!v3_tuid_match(wanted, object->iid) && !v3_tuid_match(wanted, v3_funknown_iid))
            return static_cast<v3_result>(V3_NO_INTERFACE);
        object->references++;
        *found = self;
        return V3_OK;
    }
    static uint32_t V3_API ref(void *self) { return static_cast<uint32_t>(++static_cast<Object *>(self)->references); }
    static uint32_t V3_API unref(void *self)
    {
        return static_cast<uint32_t>(--static_cast<Object *>(self)->references);
    }

    Functions **interface() { return reinterpret_cast<Functions **>(this); }
};

// --- application ----------------------------------------------------------------------------------------------------

struct Application : Object<v3_host_application> {
    static v3_result V3_API get_name(void *, v3_str_128 name)
    {
        const char text[] = "spleeterrt's test host";
        std::copy(text, text + sizeof(text), name);
        return V3_OK;
    }
    static v3_result V3_API create_instance(void *, v3_tuid, v3_tuid, void **object)
    {
        *object = nullptr;
        return static_cast<v3_result>(V3_NOT_IMPLEMENTED);
    }
    Application() : Object({get_name, create_instance}, v3_host_application_iid) {}
};

// --- handler of edits -----------------------------------------------------------------------------------------------

struct Handler : Object<v3_component_handler> {
    std::atomic<int> restarts{0}, flags{0}, elsewhere{0}; // elsewhere: from another thread than the host's main one
    std::vector<std::string> edits;
    const std::thread::id home = std::this_thread::get_id();

    static Handler &of(void *self) { return *static_cast<Handler *>(self); }
    void edit(const char *what, v3_param_id id)
    {
        if (std::this_thread::get_id() != home)
            elsewhere++;
        edits.push_back(what + (" " + std::to_string(id)));
    }
    static v3_result V3_API begin(void *self, v3_param_id id) { return of(self).edit("begin", id), V3_OK; }
    static v3_result V3_API perform(void *self, v3_param_id id, double) { return of(self).edit("perform", id), V3_OK; }
    static v3_result V3_API end(void *self, v3_param_id id) { return of(self).edit("end", id), V3_OK; }
    static v3_result V3_API restart(void *self, int32_t what)
    {
        Handler &handler = of(self);
        if (std::this_thread::get_id() != handler.home)
            handler.elsewhere++;
        handler.restarts++;
        handler.flags |= what;
        return V3_OK;
    }
    Handler() : Object({begin, perform, end, restart}, v3_component_handler_iid) {}
};

// --- a stream of bytes that gives and takes `part` of them at a time ------------------------------------------------

struct Bytes : Object<v3_bstream> {
    std::string bytes;
    size_t at = 0, part;

    static Bytes &of(void *self) { return *static_cast<Bytes *>(self); }
    static v3_result V3_API read(void *self, void *buffer, int32_t count, int32_t *done)
    {
        Bytes &b = of(self);
        const size_t n = std::min({static_cast<size_t>(count), b.part, b.bytes.size() - b.at});
        std::memcpy(buffer, b.bytes.data() + b.at, n);
        b.at += n;
        if (done) // may be null
            *done = static_cast<int32_t>(n);
        return V3_OK;
    }
    static v3_result V3_API write(void *self, void *buffer, int32_t count, int32_t *done)
    {
        Bytes &b = of(self);
        const size_t n = std::min(static_cast<size_t>(count), b.part);
        b.bytes.resize(std::max(b.bytes.size(), b.at + n));
        std::memcpy(&b.bytes[b.at], buffer, n);
        b.at += n;
        if (done)
            *done = static_cast<int32_t>(n);
        return V3_OK;
    }
    static v3_result V3_API seek(void *self, int64_t by, int32_t from, int64_t *result)
    {
        Bytes &b = of(self);
        const int64_t base[] = {0, static_cast<int64_t>(b.at), static_cast<int64_t>(b.bytes.size())};
        b.at = static_cast<size_t>(std::clamp<int64_t>(base[from] + by, 0, base[2]));
        if (result)
            *result = static_cast<int64_t>(b.at);
        return V3_OK;
    }
    static v3_result V3_API tell(void *self, int64_t *at)
    {
        *at = static_cast<int64_t>(of(self).at);
        return V3_OK;
    }
    explicit Bytes(size_t part_ = SIZE_MAX, std::string content = "")
        : Object({read, write, seek, tell}, v3_bstream_iid), bytes(std::move(content)), part(part_)
    {
    }
};

// --- changes of parameters within a block ---------------------------------------------------------------------------

struct Queue : Object<v3_param_value_queue> {
    v3_param_id id = 0;
    std::vector<std::pair<int32_t, double>> points;

    static Queue &of(void *self) { return *static_cast<Queue *>(self); }
    static v3_param_id V3_API get_id(void *self) { return of(self).id; }
    static int32_t V3_API count(void *self) { return static_cast<int32_t>(of(self).points.size()); }
    static v3_result V3_API get(void *self, int32_t index, int32_t *offset, double *value)
    {
        const Queue &q = of(self);
        if (index < 0 || index >= static_cast<int32_t>(q.points.size()))
            return V3_FALSE;
        std::tie(*offset, *value) = q.points[static_cast<size_t>(index)];
        return V3_OK;
    }
    static v3_result V3_API add(void *self, int32_t offset, double value, int32_t *index)
    {
        Queue &q = of(self);
        if (q.points.size() == q.points.capacity())
            return V3_FALSE;
        if (index)
            *index = static_cast<int32_t>(q.points.size());
        q.points.emplace_back(offset, value);
        return V3_OK;
    }
    Queue() : Object({get_id, count, get, add}, v3_param_value_queue_iid)
    {
        points.reserve(16);
    } // nothing is allocated in process
};

struct Changes : Object<v3_param_changes> {
    std::vector<Queue> queues;
    size_t used = 0;

    static Changes &of(void *self) { return *static_cast<Changes *>(self); }
    static int32_t V3_API count(void *self) { return static_cast<int32_t>(of(self).used); }
    static v3_param_value_queue **V3_API get(void *self, int32_t index)
    {
        Changes &c = of(self);
        return index < 0 || index >= static_cast<int32_t>(c.used) ? nullptr
                                                                  : c.queues[static_cast<size_t>(index)].interface();
    }
    static v3_param_value_queue **V3_API add(void *self, v3_param_id *id, int32_t *index)
    {
        Changes &c = of(self);
        size_t i = 0;
        while (i < c.used && c.queues[i].id != *id)
            i++;
        if (i == c.queues.size())
            return nullptr;
        if (i == c.used) {
            c.queues[i].id = *id;
            c.queues[i].points.clear();
            c.used++;
        }
        if (index)
            *index = static_cast<int32_t>(i);
        return c.queues[i].interface();
    }
    Changes() : Object({count, get, add}, v3_param_changes_iid), queues(64) {}
};

} // namespace host

#endif
