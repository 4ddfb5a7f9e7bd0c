// The model of this instance: a worker has an instance of the module, and in it the weights of the networks that it
// runs.
#ifndef SPLEETERRT_WEB_MODEL_H
#define SPLEETERRT_WEB_MODEL_H

#include "network/model_file.h"
#include "network/network_set.h"

#include <cstdint>
#include <string>
#include <vector>

namespace spleeterrt {

struct WebModel {
    std::uint64_t file_size = 0;
    ModelReader reader;
    ModelFileConfig config;
    const fast_kernels *kernels = nullptr;
    Plan plan;
    std::vector<AlignedFloats> arenas; // of all the file's networks; empty: not in this instance
    std::string text;                  // the last one that JavaScript asked for

    // Networks [indices] on T x F; weights and layers live as long as the object they are put into.
    NetworkSet networks(const LayerTable &table, const std::vector<std::size_t> &indices,
                        std::vector<const float *> &weights) const;
};

WebModel &the_model();

// A problem in words for JavaScript ("": none): its length, 0 where there is none.
int tell_problem(const std::string &problem);

} // namespace spleeterrt

#endif
