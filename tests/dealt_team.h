// A team without threads, for tests.
#ifndef SPLEETERRT_DEALT_TEAM_H
#define SPLEETERRT_DEALT_TEAM_H

#include "aligned.h"
#include "fast/interface.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

namespace spleeterrt {

// Threads one after the other, each with units at random, in any order.
class Dealt final : public fast_team {
public:
    Dealt(std::size_t workspace_floats, int count, unsigned seed)
        : fast_team{nullptr, count, &Dealt::run_phase, &Dealt::any_idle}, random_(seed)
    {
        for (int i = 0; i < count; i++) {
            workspaces_.emplace_back(workspace_floats);
            std::fill_n(workspaces_.back().data(), workspace_floats, NAN);
        }
        workspace = workspaces_[0].data();
    }
    int phases = 0;

private:
    struct Share : fast_share {
        std::vector<int> units;
    };
    static int any_idle(const fast_team *team)
    {
        return static_cast<const Dealt *>(team)->asked_++ % 5 != 4; // now and then a deep layer is left to one thread
    }
    static int next(fast_share *share)
    {
        std::vector<int> &units = static_cast<Share *>(share)->units;
        if (units.empty())
            return -1;
        const int unit = units.back();
        units.pop_back();
        return unit;
    }
    static void run_phase(fast_team *team, int units, fast_work work, const void *job)
    {
        Dealt &self = *static_cast<Dealt *>(team);
        std::vector<Share> shares(self.workspaces_.size());
        for (int unit = 0; unit < units; unit++)
            shares[self.random_() % shares.size()].units.push_back(unit);
        for (std::size_t i = 0; i < shares.size(); i++) {
            shares[i].workspace = self.workspaces_[i].data();
            shares[i].next = &next;
            if (self.random_() % 2)
                std::reverse(shares[i].units.begin(), shares[i].units.end()); // neighbours in order
            if (self.random_() % 4 == 0)
                std::shuffle(shares[i].units.begin(), shares[i].units.end(), self.random_);
            work(job, &shares[i]);
        }
        self.phases++;
    }

    std::mt19937 random_;
    mutable int asked_ = 0;
    std::vector<AlignedFloats> workspaces_;
};

} // namespace spleeterrt

#endif
