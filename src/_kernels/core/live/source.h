// An engine as audio clients see it. They live in another module than the engine, so its `process` comes as a
// pointer: the engine is compiled once.
#ifndef SPLEETERRT_LIVE_SOURCE_H
#define SPLEETERRT_LIVE_SOURCE_H

#include "stream/engine.h"

namespace spleeterrt {

struct LiveSource {
    StreamEngine *engine = nullptr;
    void (*process)(StreamEngine *, const StreamInput &, const StreamOutput *outs, const StreamOutput &mix,
                    std::size_t count) = nullptr;
    std::size_t stems = 0, latency = 0, block = 0;
    bool fixed = false; // every block is `block` long; else at most that

    bool takes(std::size_t count) const { return fixed ? count == block : count <= block; }
};

// For the module that holds the engine.
inline LiveSource live_source(StreamEngine *engine)
{
    LiveSource source;
    source.engine = engine;
    source.process = [](StreamEngine *to, const StreamInput &in, const StreamOutput *outs, const StreamOutput &mix,
                        std::size_t count) { to->process(in, outs, mix, count); };
    source.stems = engine->stems();
    source.latency = engine->latency();
    source.block = engine->largest_block();
    source.fixed = engine->block_is_fixed();
    return source;
}

} // namespace spleeterrt

#endif
