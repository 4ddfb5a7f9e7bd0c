#include "work_sharing.h"

#include "check.h"
#include "clock.h"
#include "denormals.h"

#include <algorithm>

namespace spleeterrt {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto publish = std::memory_order_release;
constexpr auto both = std::memory_order_acq_rel;

// How long a thread waits actively for another one: about a unit's time. Then it sleeps, so that one that has lost its
// core finds this one's.
constexpr double patience = 60e-6;

void relax()
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Whether `good` came true in time.
template <typename Condition> bool wait_actively(const Condition &good)
{
    for (double until = 0;;) {
        for (int i = 0; i < 16; i++) {
            if (good())
                return true;
            relax();
        }
        const double now = seconds();
        if (until == 0)
            until = now + patience;
        else if (now > until)
            return false;
    }
}

// SharedWork::word_
constexpr std::uint64_t one_inside = 1, one_joined = 0x100, open = 0x10000, waited = 0x20000;
std::uint64_t inside(std::uint64_t word) { return word & 0xff; }
unsigned joined(std::uint64_t word) { return static_cast<unsigned>(word >> 8 & 0xff); }

// SharedWork::Units
std::uint64_t range(std::uint32_t first, std::uint32_t end) { return std::uint64_t{first} << 32 | end; }
std::uint32_t first_of(std::uint64_t range) { return static_cast<std::uint32_t>(range >> 32); }
std::uint32_t end_of(std::uint64_t range) { return static_cast<std::uint32_t>(range); }
std::uint32_t count_of(std::uint64_t range) { return end_of(range) - first_of(range); }

} // namespace

// --- a phase ---------------------------------------------------------------------------------------

SharedWork::SharedWork(WorkSharing &sharing)
    : fast_team{nullptr, 1, &SharedWork::run_phase, &SharedWork::any_idle}, sharing_(sharing)
{
}

int SharedWork::any_idle(const fast_team *team)
{
    const WorkSharing &sharing = static_cast<const SharedWork *>(team)->sharing_;
    return sharing.helpers_.load(relaxed) || sharing.asleep_.load(relaxed);
}

void SharedWork::run_phase(fast_team *team, int units, fast_work work, const void *job)
{
    SharedWork &self = *static_cast<SharedWork *>(team);
    SRT_DCHECK(units >= 0 && !(self.word_.load(relaxed) & open) && inside(self.word_.load(relaxed)) == 0);
    for (unsigned i = 1; i <= joined(self.word_.load(relaxed)); i++) // of the phase before
        self.units_[i].range.store(0, relaxed);
    self.units_[0].range.store(range(0, static_cast<std::uint32_t>(units)), relaxed);
    self.work_ = work;
    self.job_ = job;
    self.word_.store(units > 1 ? open : 0, publish);
    if (units > 1)
        self.sharing_.opened(units);
    Share share = {{self.workspace, &SharedWork::next}, &self, 0};
    work(job, &share);
    self.close();
}

void SharedWork::close()
{
    if (inside(word_.fetch_and(~open, both)) == 0)
        return;
    const auto all_have_left = [this] { return inside(word_.load(acquire)) == 0; };
    if (wait_actively(all_have_left))
        return;
    std::unique_lock<std::mutex> lock(mutex_);
    word_.fetch_or(waited, both);
    left_.wait(lock, all_have_left);
}

bool SharedWork::any_left(std::uint64_t word) const
{
    for (unsigned i = 0; i <= joined(word); i++)
        if (count_of(units_[i].range.load(relaxed)))
            return true;
    return false;
}

bool SharedWork::join(float *my_workspace, std::size_t floats)
{
    std::uint64_t word = word_.load(acquire);
    do {
        if (!(word & open) || joined(word) + 1 >= most || !any_left(word))
            return false;
    } while (!word_.compare_exchange_weak(word, word + one_inside + one_joined, both, acquire));
    const bool good = floats >= floats_;
    if (good) {
        const NoDenormals fast;
        Share share = {{my_workspace, &SharedWork::next}, this, joined(word) + 1};
        work_(job_, &share);
    }
    leave();
    return good;
}

// The last thing that a helper does to a phase. (This object outlives it.)
void SharedWork::leave()
{
    const std::uint64_t word = word_.fetch_sub(one_inside, both);
    if (!(word & waited) || inside(word) != 1)
        return;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
    }
    left_.notify_one();
}

int SharedWork::next(fast_share *share)
{
    const Share &self = *static_cast<Share *>(share);
    const int unit = self.of->take_first(self.of->units_[self.number]);
    return unit >= 0 ? unit : self.of->take_half(self.number);
}

int SharedWork::take_first(Units &units)
{
    std::uint64_t seen = units.range.load(relaxed);
    while (count_of(seen))
        if (units.range.compare_exchange_weak(seen, range(first_of(seen) + 1, end_of(seen)), both, relaxed))
            return static_cast<int>(first_of(seen));
    return -1;
}

// A range never comes back to a place where it was: its first unit is begun, or was taken for good. So what is compared
// is what was seen.
int SharedWork::take_half(unsigned number)
{
    for (;;) {
        Units *most_left = nullptr;
        std::uint64_t seen = 0;
        const unsigned last = std::min(joined(word_.load(relaxed)), most - 1);
        for (unsigned i = 0; i <= last; i++) {
            const std::uint64_t its = units_[i].range.load(relaxed);
            if (i != number && count_of(its) > count_of(seen)) {
                most_left = &units_[i];
                seen = its;
            }
        }
        if (!most_left)
            return -1;
        const std::uint32_t from = first_of(seen) + count_of(seen) / 2, end = end_of(seen);
        if (!most_left->range.compare_exchange_strong(seen, range(first_of(seen), from), both, relaxed))
            continue;
        units_[number].range.store(range(from + 1, end), publish);
        return static_cast<int>(from);
    }
}

// --- the threads -----------------------------------------------------------------------------------

void WorkSharing::add()
{
    const std::size_t thread = owned_.size();
    if (thread == most_threads)
        return;
    owned_.push_back(std::make_unique<SharedWork>(*this));
    teams_[thread].store(owned_.back().get(), relaxed);
    n_teams_.store(thread + 1, publish);
}

WorkSharing::Network::Network(WorkSharing &sharing, std::size_t thread, float *workspace, std::size_t floats,
                              std::size_t threads)
    : sharing_(sharing)
{
    if (threads < 2 || thread >= sharing.n_teams_.load(acquire))
        return;
    SharedWork *work = sharing.teams_[thread].load(relaxed);
    work->workspace = workspace;
    work->threads = static_cast<int>(threads);
    work->floats_ = floats;
    team_ = work;
    sharing_.networks_.fetch_add(1, relaxed);
}

WorkSharing::Network::~Network()
{
    if (team_)
        sharing_.networks_.fetch_sub(1, relaxed);
}

void WorkSharing::opened(int units)
{
    if (const std::size_t asleep = asleep_.load(relaxed))
        call(std::min(asleep, static_cast<std::size_t>(units) - 1));
}

bool WorkSharing::help(float *workspace, std::size_t floats)
{
    bool helped = false;
    helpers_.fetch_add(1, relaxed);
    wait_actively([&] {
        if (networks_.load(relaxed) == 0)
            return true;
        const std::size_t count = n_teams_.load(acquire);
        for (std::size_t i = 0; i < count && !helped; i++)
            helped = teams_[i].load(relaxed)->join(workspace, floats);
        return helped;
    });
    helpers_.fetch_sub(1, relaxed);
    return helped;
}

} // namespace spleeterrt
