// Encoders that roll along (core/stream/rolling.h): whatever windows came before, and in whatever order, a window gives
// the bits that the same table gives where nothing is kept.
//
//     rolling_encoders [test]
#include "aligned.h"
#include "dealt_team.h"
#include "expect.h"
#include "random_network.h"
#include "stream/networks.h"
#include "stream/rolling.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace spleeterrt;

namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

std::vector<std::string> sets()
{
    std::vector<std::string> names;
    for (int i = 0; const fast_kernels *kernels = fast_kernels_at(i); i++)
        names.push_back(kernels->name);
    return names;
}

// --- what is run ----------------------------------------------------------------------------------

enum class Kept { stored, staged, plain, float16, int8, low_memory };
constexpr Kept all_kept[] = {Kept::stored, Kept::staged, Kept::plain, Kept::float16, Kept::int8, Kept::low_memory};

struct Case {
    std::string isa;
    long long frames, bins, hop, first, rows; // first, rows: that are wanted
    Kept kept;
    bool wide;    // layers of several sixteens of channels
    bool softmax; // logits
    StreamForm form;

    StreamWindows windows() const { return {frames, bins, hop, first, rows}; }
};

NetworkConfig config_of(const Case &wanted)
{
    NetworkConfig config = RandomNetwork::small_config();
    if (wanted.wide) {
        const int filters[DEPTH] = {17, 33, 16, 48, 40, 32};
        std::copy(filters, filters + DEPTH, config.conv_n_filters);
        config.conv_activation = ACTIVATION_ELU;
        config.deconv_activation = ACTIVATION_ELU;
    }
    return config;
}

Plan plan_of(const Case &wanted)
{
    WeightTypes types;
    if (wanted.kept == Kept::float16 || wanted.kept == Kept::int8)
        std::fill_n(types.layers, LAYERS, wanted.kept == Kept::int8 ? WEIGHTS_INT8 : WEIGHTS_FLOAT16);
    Plan plan =
        make_plan(config_of(wanted), fast_kernels_for(wanted.isa.c_str()), wanted.kept == Kept::low_memory, types);
    for (Method &method : plan.methods)
        if (method == Method::winograd4 && wanted.kept == Kept::staged) // as by SPLEETERRT_PLAN=plain
            method = Method::staged4;
        else if (method == Method::winograd4 && wanted.kept == Kept::plain)
            method = Method::lazy4;
    EXPECT(can_run(plan));
    return plan;
}

std::mt19937 &weights_random()
{
    static std::mt19937 random(11);
    return random;
}

// Networks with the table of a stream, and with the usual one.
struct Stream {
    const Case wanted;
    RandomNetwork network;
    LayerTable rolling, usual;
    NetworkSet set, usual_set;
    std::size_t row, values;

    explicit Stream(const Case &of, std::size_t stems = 2)
        : wanted(of), network(config_of(of), plan_of(of), weights_random(), stems, false),
          rolling(lower(network.config, network.plan, of.frames, of.bins, {}, of.form)),
          usual(lower(network.config, network.plan, of.frames, of.bins)), row(static_cast<std::size_t>(of.bins * 2)),
          values(static_cast<std::size_t>(of.rows) * row)
    {
        for (LayerTable *table : {&rolling, &usual})
            want_frames(table->rows.data(), LAYERS, of.first, of.first + of.rows);
        set = network.set(rolling);
        usual_set = network.set(usual);
        set.softmax = usual_set.softmax = of.softmax;
        EXPECT(set.rolling == of.form.rolling && usual_set.rolling == 0);
    }
    RollingEncoders encoders() const
    {
        return RollingEncoders(set, network.weights.size(), static_cast<std::size_t>(wanted.hop));
    }
    // What is read before it is written shows: as NaN, or, where an activation makes a number of it, as another one.
    AlignedFloats workspace(float filled = NAN) const
    {
        AlignedFloats made(std::max(set.workspace_floats, usual_set.workspace_floats));
        std::fill_n(made.data(), made.size(), filled);
        return made;
    }
    std::vector<float> whole(const NetworkSet &by, std::size_t stem, const float *window) const
    {
        std::vector<float> output(values, NAN);
        by.run(stem, window, output.data(), workspace().data());
        return output;
    }
};

// Frames of a signal that begins at frame 0, as spectra are: over several orders of magnitude, with silence among them.
class Sounds {
public:
    Sounds(std::int64_t frames, std::int64_t before, std::size_t row, unsigned seed) : before_(before), row_(row)
    {
        std::mt19937 random(seed);
        std::normal_distribution<float> normal;
        std::uniform_real_distribution<float> size(-2, 1);
        values_.assign(static_cast<std::size_t>(frames + before) * row, 0.0f);
        for (std::int64_t frame = 0; frame < frames; frame++) {
            if (random() % 16 == 0)
                continue; // silence
            const float level = std::pow(10.0f, size(random));
            for (std::size_t i = 0; i < row; i++)
                values_[static_cast<std::size_t>(frame + before) * row + i] = level * std::fabs(normal(random));
        }
    }
    const float *window(std::int64_t first_frame) const
    {
        return values_.data() + static_cast<std::size_t>(first_frame + before_) * row_;
    }

private:
    std::int64_t before_;
    std::size_t row_;
    std::vector<float> values_;
};

bool same(const std::vector<float> &a, const std::vector<float> &b)
{
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

float difference(const std::vector<float> &a, const std::vector<float> &b)
{
    float worst = 0;
    for (std::size_t i = 0; i < a.size(); i++)
        worst = std::max(worst, a[i] == b[i] ? 0.0f : std::fabs(a[i] - b[i])); // NaN: never a maximum, see `finite`
    return worst;
}

bool finite(const std::vector<float> &a)
{
    return std::all_of(a.begin(), a.end(), [](float x) { return std::isfinite(x); });
}

std::string told(const Case &c)
{
    return c.isa + ": " + std::to_string(c.frames) + " x " + std::to_string(c.bins) + ", hop " + std::to_string(c.hop) +
           ", wanted " + std::to_string(c.first) + " + " + std::to_string(c.rows) + ", weights " +
           std::to_string(static_cast<int>(c.kept)) + (c.wide ? ", wide" : "") + (c.softmax ? ", logits" : "") +
           ", rolling " + std::to_string(c.form.rolling) + (c.form.two_rows ? ", two rows" : "");
}

// Tells the case in which an expectation did not hold.
struct Telling {
    const Case &which;
    const int before = failures;
    explicit Telling(const Case &c) : which(c) {}
    ~Telling()
    {
        if (failures > before)
            std::printf("    in %s\n", told(which).c_str());
    }
};

// --- cases ----------------------------------------------------------------------------------------

// Of `hop` wanted frames before the last `lookahead` ones; 0: of hold mode, the last one.
Case case_of(const std::string &isa, long long frames, long long bins, long long hop, long long lookahead, bool hold,
             Kept kept = Kept::stored)
{
    Case c = {isa, frames, bins, hop, frames - lookahead - hop, hop, kept, false, false, {}};
    if (hold)
        c.first = frames - 1, c.rows = 1;
    c.form = stream_form(config_of(c), plan_of(c), c.windows());
    return c;
}

// forced: forms that nothing but this test asks for.
Case random_case(const std::string &isa, std::mt19937 &random, bool forced)
{
    const long long frames[] = {64, 128, 192, 256}, hops[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32};
    Case c;
    c.isa = isa;
    c.frames = frames[random() % 4];
    c.bins = 64 * static_cast<long long>(1 + random() % 3);
    c.hop = hops[random() % 12];
    c.kept = all_kept[random() % 6];
    c.wide = random() % 3 == 0;
    c.softmax = random() % 4 == 0;
    if (random() % 4 == 0) { // hold mode
        c.first = c.frames - 1;
        c.rows = 1;
    } else {
        const long long lookahead = random() % 2 ? static_cast<long long>(random() % 24) : 0, crossfade = random() % 3;
        c.first = c.frames - lookahead - c.hop;
        c.rows = std::min(c.hop + crossfade, c.frames - c.first);
    }
    c.form = stream_form(config_of(c), plan_of(c), c.windows());
    if (forced) {
        c.form.rolling = 2 + static_cast<int>(random() % (MOST_ROLLING - 1));
        c.form.two_rows = random() % 2;
        if (random() % 4 == 0) { // anything
            c.first = static_cast<long long>(random()) % c.frames;
            c.rows = 1 + static_cast<long long>(random()) % (c.frames - c.first);
        }
    }
    return c;
}

// --- any windows in any order ----------------------------------------------------------------------

void run_windows(const Case &wanted, std::mt19937 &random, int steps, int threads)
{
    const Telling telling(wanted);
    const Stream stream(wanted);
    RollingEncoders encoders = stream.encoders();
    const std::int64_t hop = wanted.hop, frames = wanted.frames;
    const std::int64_t length = frames + 6 * hop * steps;
    const Sounds signals[] = {{length, 2 * frames, stream.row, 1}, {length, 2 * frames, stream.row, 2}};
    std::uint64_t signal = 1; // odd and even ones are the two above
    std::int64_t window = 1;  // which hop it ends with
    for (int step = 0; step < steps; step++) {
        std::uint64_t told_signal = signal;
        switch (random() % 12) {
        case 0: window += static_cast<std::int64_t>(2 + random() % 5); break; // some were dropped
        case 1: break;                                                        // once more
        case 2: window -= static_cast<std::int64_t>(1 + random() % 4); break; // out of order
        case 3: // a new signal, or one that begins elsewhere
            signal += 1 + random() % 2;
            told_signal = signal;
            window = static_cast<std::int64_t>(random() % 8) - frames / hop / 2;
            break;
        case 4: told_signal = signal - 1; break; // a run that was abandoned
        default: window++;
        }
        window = std::max(window, -frames / hop);
        const std::int64_t first_frame = window * hop - frames;
        const float *input = signals[told_signal % 2].window(first_frame);
        for (std::size_t stem = 0; stem < 2; stem++) {
            std::vector<float> output(stream.values, NAN);
            if (threads) {
                Dealt team(stream.workspace().size(), threads, static_cast<unsigned>(random()));
                encoders.run(stem, {first_frame, told_signal}, input, output.data(), team.workspace, &team);
            } else {
                AlignedFloats workspace = stream.workspace(random() % 2 ? NAN : 1e6f);
                encoders.run(stem, {first_frame, told_signal}, input, output.data(), workspace.data(), nullptr);
            }
            const std::vector<float> whole = stream.whole(stream.set, stem, input);
            EXPECT(finite(whole));
            EXPECT(same(output, whole));
            if (step % 4 == 0) {
                const std::vector<float> usual = stream.whole(stream.usual_set, stem, input);
                const float largest = *std::max_element(input, input + frames * static_cast<std::int64_t>(stream.row));
                float scale = std::max(largest, 1e-3f);
                if (wanted.softmax)
                    for (const float x : usual)
                        scale = std::max(scale, std::fabs(x));
                EXPECT(difference(output, usual) <= 2e-5f * scale); // measured: a fifth
            }
        }
        if (failures > telling.before)
            return;
    }
}

void any_windows_in_any_order()
{
    for (const std::string &isa : sets()) {
        std::mt19937 random(1);
        for (int i = 0; i < (sanitized ? 4 : 16); i++) {
            Case c = random_case(isa, random, false);
            for (int attempt = 0; !c.form.rolling && attempt < 100; attempt++)
                c = random_case(isa, random, false);
            run_windows(c, random, 18, 0);
        }
    }
}

// Also where it saves nothing.
void any_form()
{
    for (const std::string &isa : sets()) {
        std::mt19937 random(2);
        for (int i = 0; i < (sanitized ? 4 : 20); i++)
            run_windows(random_case(isa, random, true), random, 12, 0);
    }
}

void teams_of_threads()
{
    for (const std::string &isa : sets()) {
        std::mt19937 random(3);
        for (int i = 0; i < (sanitized ? 2 : 8); i++)
            run_windows(random_case(isa, random, true), random, 8, 1 + static_cast<int>(random() % 4));
    }
}

// --- what is kept ----------------------------------------------------------------------------------

// Once a window of each phase was there the next ones in order read their first frames, the newest half and no others:
// the others are others here.
void old_frames_are_not_read_again()
{
    for (const std::string &isa : sets())
        for (const Case &c : {case_of(isa, 128, 64, 1, 0, false), case_of(isa, 128, 64, 2, 0, true),
                              case_of(isa, 128, 64, 3, 2, false), case_of(isa, 256, 64, 6, 0, false),
                              case_of(isa, 256, 64, 8, 0, false), case_of(isa, 256, 64, 5, 0, true)}) {
            const Telling telling(c);
            EXPECT(c.form.rolling >= 2);
            const Stream stream(c);
            RollingEncoders encoders = stream.encoders();
            const std::int64_t phases = std::int64_t{1} << c.form.rolling; // or fewer
            const Sounds sounds(c.frames + 3 * phases * c.hop, c.frames, stream.row, 5);
            for (std::int64_t window = 1; window <= 2 * phases; window++) {
                const std::int64_t first_frame = window * c.hop - c.frames;
                const float *input = sounds.window(first_frame);
                std::vector<float> holes(input, input + static_cast<std::size_t>(c.frames) * stream.row);
                // e1's first row reads four frames.
                if (window > phases)
                    std::fill(holes.begin() + static_cast<std::ptrdiff_t>(4 * stream.row),
                              holes.begin() + static_cast<std::ptrdiff_t>(stream.row) * (c.frames / 2), 1e3f);
                std::vector<float> output(stream.values, NAN);
                encoders.run(0, {first_frame, 1}, holes.data(), output.data(), stream.workspace().data(), nullptr);
                EXPECT(same(output, stream.whole(stream.set, 0, input)));
            }
            // So that this can fail: a signal anew reads them.
            const std::int64_t first_frame = (2 * phases + 1) * c.hop - c.frames;
            std::vector<float> holes(sounds.window(first_frame),
                                     sounds.window(first_frame) + static_cast<std::size_t>(c.frames) * stream.row);
            std::fill_n(holes.begin() + static_cast<std::ptrdiff_t>(stream.row) * (c.frames / 2 - 1), stream.row, 1e3f);
            std::vector<float> output(stream.values, NAN);
            encoders.run(0, {first_frame, 2}, holes.data(), output.data(), stream.workspace().data(), nullptr);
            EXPECT(finite(output) && !same(output, stream.whole(stream.set, 0, sounds.window(first_frame))));
        }
}

// --- threads ---------------------------------------------------------------------------------------

// Windows of one network at the same time, of two networks, and resets in between.
void windows_at_once()
{
    for (const std::string &isa : sets()) {
        const Case c = case_of(isa, 128, 64, 2, 0, true);
        const Telling telling(c);
        EXPECT(c.form.rolling >= 2);
        const Stream stream(c);
        RollingEncoders encoders = stream.encoders();
        constexpr std::int64_t windows = 40;
        const Sounds signals[] = {{c.frames + windows * c.hop, c.frames, stream.row, 6},
                                  {c.frames + windows * c.hop, c.frames, stream.row, 7}};
        std::vector<std::vector<float>> expected[2][2]; // of each signal and network
        for (std::size_t signal = 0; signal < 2; signal++)
            for (std::size_t stem = 0; stem < 2; stem++)
                for (std::int64_t window = 0; window < windows; window++)
                    expected[signal][stem].push_back(
                        stream.whole(stream.set, stem, signals[signal].window(window * c.hop - c.frames)));
        std::vector<std::thread> threads;
        std::atomic<int> wrong{0};
        for (unsigned thread = 0; thread < 4; thread++)
            threads.emplace_back([&, thread] {
                std::mt19937 random(thread);
                AlignedFloats workspace = stream.workspace();
                std::vector<float> output(stream.values);
                for (std::uint64_t signal = 0; signal < (sanitized ? 4u : 12u); signal++)
                    for (std::int64_t window = static_cast<std::int64_t>(random() % 3); window < windows;
                         window += static_cast<std::int64_t>(1 + random() % 3)) {
                        const std::size_t stem = random() % 4 == 0;
                        const std::int64_t first_frame = window * c.hop - c.frames;
                        std::fill_n(workspace.data(), workspace.size(), NAN);
                        std::fill(output.begin(), output.end(), NAN);
                        encoders.run(stem, {first_frame, signal}, signals[signal % 2].window(first_frame),
                                     output.data(), workspace.data(), nullptr);
                        if (!same(output, expected[signal % 2][stem][static_cast<std::size_t>(window)]))
                            wrong++;
                    }
            });
        for (std::thread &thread : threads)
            thread.join();
        EXPECT(wrong == 0);
    }
}

// --- forms -----------------------------------------------------------------------------------------

void forms_of_streams()
{
    const std::string isa = sets().front();
    const auto form = [&](long long frames, long long hop, long long first, long long rows, Kept kept = Kept::stored) {
        const Case c = {isa, frames, 64, hop, first, rows, kept, false, false, {}};
        return stream_form(config_of(c), plan_of(c), c.windows());
    };
    EXPECT(form(512, 2, 510, 2).rolling == MOST_ROLLING && form(512, 2, 510, 2).two_rows);
    EXPECT(form(512, 4, 508, 4).rolling == MOST_ROLLING);
    EXPECT(form(128, 2, 126, 2).rolling == MOST_ROLLING);
    EXPECT(form(64, 2, 62, 2).rolling == 2); // of e3's eight rows a window computes four
    // A network of full size keeps 32 KiB a row: at T=512 and a hop of 1 the two beginnings of e1 and four of e2 are
    // enough.
    const NetworkConfig full;
    const Plan stored = make_plan(full, fast_kernels_for(isa.c_str()), false);
    EXPECT(stream_form(full, stored, {512, 1024, 1, 511, 1}).rolling == 2);
    EXPECT(stream_form(full, stored, {512, 1024, 4, 508, 4}).rolling == MOST_ROLLING);
    EXPECT(form(128, 1, 127, 1).rolling == form(128, 2, 127, 1).rolling); // by the rows of each phase
    for (const long long frames : {64, 128, 512}) {
        const StreamForm all = form(frames, frames, 0, frames);
        EXPECT(all.rolling == 0 && !all.two_rows);
        EXPECT(form(frames, 1, 0, frames).rolling == 0); // the decoders read all
        EXPECT(form(frames, 2, frames - 2, 2, Kept::low_memory).rolling == 0);
        for (long long hop = 1; hop <= frames; hop++) {
            const StreamForm any = form(frames, hop, frames - hop, hop);
            EXPECT(any.rolling == 0 || (any.rolling >= 2 && any.rolling <= MOST_ROLLING && 2 * hop < frames));
        }
    }
    Case reference = {isa, 128, 64, 2, 126, 2, Kept::stored, false, false, {}};
    const StreamForm none =
        stream_form(config_of(reference), make_plan(config_of(reference), nullptr, false), reference.windows());
    EXPECT(none.rolling == 0 && !none.two_rows);
}

const Test tests[] = {
    {"any_windows_in_any_order", any_windows_in_any_order},
    {"any_form", any_form},
    {"teams_of_threads", teams_of_threads},
    {"old_frames_are_not_read_again", old_frames_are_not_read_again},
    {"windows_at_once", windows_at_once},
    {"forms_of_streams", forms_of_streams},
};

} // namespace

int main(int argc, char **argv) { return run_tests(tests, argc, argv); }
