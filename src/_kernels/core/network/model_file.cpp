// Reads our model files; see model_file.h. The container is documented at https://huggingface.co/docs/safetensors:
// the length of a header (8 bytes, little-endian), the header (JSON), the tensors' bytes one after the other; what
// they hold, in `spleeterrt.models.packed`.
//
// Nothing in a file is believed before it is checked: lengths and offsets against the file's size, tensors against
// the configuration, and all of that before memory is taken for them. Failures are exceptions in here only.
#include "network/model_file.h"

#include "network/crc32c.h"
#include "network/strict_json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <new>
#include <utility>

namespace spleeterrt {
namespace {

constexpr std::uint64_t MOST_HEADER = 8 << 20; // bytes; five stems take 60 kB, 64 with the longest names 5 MB
const char *const FORMAT = "spleeterrt", *const VERSION = "1";

std::string text_of(const std::vector<long long> &shape)
{
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); i++)
        text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + (shape.size() == 1 ? ",)" : ")");
}

// IEEE 754 binary16 -> binary32, which holds all of its values.
float float_of_half(std::uint16_t half)
{
    const std::uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
    float value = (float)fraction * 0x1p-24f; // zero and subnormals
    if (exponent) {
        // The exponents' biases are 15 and 127; 31 and 255 stand for infinity and NaN.
        const std::uint32_t bits = (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
        std::memcpy(&value, &bits, sizeof value);
    }
    return half & 0x8000 ? -value : value;
}

struct Entry { // of a tensor in the header
    std::string dtype;
    std::vector<long long> shape;
    std::uint64_t begin, end; // in the data
};

// Bits of a number of safetensors' dtypes; 0: not one of them.
int bits_of(const std::string &dtype)
{
    static const std::map<std::string, int> bits = {
        {"F4", 4},      {"F6_E2M3", 6},     {"F6_E3M2", 6}, {"BOOL", 8},        {"U8", 8},      {"I8", 8},
        {"F8_E4M3", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2", 8}, {"F8_E5M2FNUZ", 8}, {"F8_E8M0", 8}, {"U16", 16},
        {"I16", 16},    {"F16", 16},        {"BF16", 16},   {"U32", 32},        {"I32", 32},    {"F32", 32},
        {"U64", 64},    {"I64", 64},        {"F64", 64},    {"C64", 64}};
    const auto found = bits.find(dtype);
    return found == bits.end() ? 0 : found->second;
}

// Bytes of a tensor, at most `most`; more than that: most + 1.
std::uint64_t bytes_of(const Entry &entry, std::uint64_t most)
{
    std::uint64_t numbers = 1;
    for (const long long size : entry.shape) {
        if (numbers && (std::uint64_t)size > 2 * most / numbers) // a byte holds two numbers at most
            return most + 1;
        numbers *= (std::uint64_t)size;
    }
    const std::uint64_t bits = numbers * (std::uint64_t)bits_of(entry.dtype); // below 2^7 times the file's size
    return bits % 8 ? most + 1 : std::min(bits / 8, most + 1);
}

} // namespace

class ModelFile {
public:
    explicit ModelFile(std::unique_ptr<ByteSource> source) : source_(std::move(source)), size_(source_->size())
    {
        read_header();
    }

    const ModelFileConfig &config() const { return config_; }
    const std::map<std::string, Entry> &entries() const { return entries_; }

    // Whether all stems' tensors are there.
    void check() const
    {
        for (const std::string &stem : config_.instruments)
            for (int layer = 0; layer < LAYERS; layer++)
                for (const TensorSpec &spec : layer_tensors(config_.network, layer))
                    check(stem, spec);
    }

    // Whether a tensor is there, and as the network wants it: float32; kernels float16 or int8 with scales, too.
    void check(const std::string &stem, const TensorSpec &spec) const
    {
        const auto found = entries_.find(stem + "/" + spec.name);
        if (found == entries_.end())
            fail(where(stem, spec) + "missing");
        const Entry &entry = found->second;
        const bool is_kernel = spec.channel_axis >= 0;
        if (entry.dtype != "F32" && !(is_kernel && (entry.dtype == "F16" || entry.dtype == "I8")))
            fail(where(stem, spec) + "expected float32 (F32)" + (is_kernel ? ", float16 (F16) or int8 (I8)" : "") +
                 ", got " + in_quotes(entry.dtype));
        if (entry.shape != spec.shape)
            fail(where(stem, spec) + "expected shape " + text_of(spec.shape) + ", got " + text_of(entry.shape));
        if (entry.dtype == "I8")
            check(stem, scales_of(spec));
    }

    // A tensor that was checked, in float32.
    void read(const std::string &stem, const TensorSpec &spec, float *values)
    {
        const int type = type_of(stem, spec);
        const std::size_t count = (std::size_t)spec.count();
        if (type == WEIGHTS_FLOAT16) {
            std::vector<std::uint16_t> halves(count);
            read_stored(stem, spec, halves.data());
            std::transform(halves.begin(), halves.end(), values, float_of_half);
        } else if (type == WEIGHTS_INT8) {
            std::vector<std::int8_t> steps(count);
            read_stored(stem, spec, steps.data());
            scale(steps, scales(stem, scales_of(spec)), spec, values);
        } else {
            read_stored(stem, spec, values);
        }
        if (!std::all_of(values, values + count, [](float value) { return std::isfinite(value); }))
            fail(where(stem, spec) + "holds values that are not finite");
    }

    // A float16 or int8 kernel that was checked, as it lies in the file; of int8 the scales. What `read` gives would be
    // finite.
    void read_small(const std::string &stem, const TensorSpec &spec, AlignedFloats &numbers, std::vector<float> &scales)
    {
        const std::size_t count = (std::size_t)spec.count();
        bool finite = true;
        if (type_of(stem, spec) == WEIGHTS_FLOAT16) {
            numbers = AlignedFloats(count / 2 + 1);
            auto *halves = reinterpret_cast<std::uint16_t *>(numbers.data());
            read_stored(stem, spec, halves);
            for (std::size_t i = 0; i < count; i++)
                finite &= (halves[i] & 0x7c00) != 0x7c00;
        } else {
            numbers = AlignedFloats(count / 4 + 1);
            auto *steps = reinterpret_cast<std::int8_t *>(numbers.data());
            read_stored(stem, spec, steps);
            scales = this->scales(stem, scales_of(spec));
            for (const float scale : scales)
                finite &= std::isfinite(-128.0f * scale);
            if (!finite) { // those that are there may be smaller
                std::vector<float> values(count);
                scale({steps, steps + count}, scales, spec, values.data());
                finite = std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
            }
        }
        if (!finite)
            fail(where(stem, spec) + "holds values that are not finite");
    }

    // What a kernel is stored in.
    int type_of(const std::string &stem, const TensorSpec &spec) const
    {
        const std::string &dtype = entries_.at(stem + "/" + spec.name).dtype;
        return dtype == "F16" ? WEIGHTS_FLOAT16 : dtype == "I8" ? WEIGHTS_INT8 : WEIGHTS_FLOAT32;
    }

    // Of the layers' kernels, where all stems have the same.
    WeightTypes types() const
    {
        WeightTypes types;
        for (int layer = 0; layer < LAYERS; layer++) {
            const TensorSpec kernel = layer_tensors(config_.network, layer)[0];
            const auto type = [&](const std::string &stem) { return type_of(stem, kernel); };
            const std::vector<std::string> &stems = config_.instruments;
            const int first = type(stems[0]);
            if (std::all_of(stems.begin(), stems.end(), [&](const std::string &stem) { return type(stem) == first; }))
                types.layers[layer] = first;
        }
        return types;
    }

private:
    static std::string where(const std::string &stem, const TensorSpec &spec)
    {
        return "stem " + in_quotes(stem) + ", tensor " + spec.name + ": ";
    }

    // Of an int8 kernel: one float32 per output channel.
    static TensorSpec scales_of(const TensorSpec &kernel)
    {
        return {kernel.name + "_scale", {kernel.shape[(std::size_t)kernel.channel_axis]}, nullptr};
    }

    std::vector<float> scales(const std::string &stem, const TensorSpec &spec)
    {
        std::vector<float> values((std::size_t)spec.count());
        read(stem, spec, values.data());
        if (!std::all_of(values.begin(), values.end(), [](float value) { return value > 0; }))
            fail(where(stem, spec) + "expected positive scales");
        return values;
    }

    // A kernel [..., channels, inner]: rounded once, as `spleeterrt.models.quantized` does.
    static void scale(const std::vector<std::int8_t> &steps, const std::vector<float> &scales, const TensorSpec &spec,
                      float *values)
    {
        std::size_t inner = 1;
        for (std::size_t axis = (std::size_t)spec.channel_axis + 1; axis < spec.shape.size(); axis++)
            inner *= (std::size_t)spec.shape[axis];
        for (std::size_t i = 0; i < steps.size();)
            for (const float scale : scales)
                for (const std::size_t end = i + inner; i < end; i++)
                    values[i] = (float)steps[i] * scale;
    }

    // A tensor's numbers as they lie in the file, their checksum verified.
    template <typename Number> void read_stored(const std::string &stem, const TensorSpec &spec, Number *values)
    {
        const std::string name = stem + "/" + spec.name;
        const std::size_t size = (std::size_t)spec.count() * sizeof(Number);
        if (!read_bytes(data_ + entries_.at(name).begin, values, size))
            fail(where(stem, spec) + "cannot be read");
        if (!matches(find(checksums_, name), values, size))
            fail(where(stem, spec) + "wrong checksum, the file is corrupt");
    }

    static bool matches(const Json *checksum, const void *data, std::size_t size)
    {
        return checksum && checksum->is<double>() && checksum->get<double>() == (double)crc32c(data, size);
    }

    bool read_bytes(std::uint64_t offset, void *out, std::size_t size) { return source_->read(offset, out, size); }

    void read_header()
    {
        unsigned char bytes[8] = {};
        if (size_ < sizeof bytes || !read_bytes(0, bytes, sizeof bytes))
            fail("not a readable safetensors file: too short");
        std::uint64_t length = 0;
        for (int i = 7; i >= 0; i--)
            length = length << 8 | bytes[i];
        if (length > size_ - sizeof bytes)
            fail("not a readable safetensors file: its header would be longer than the file");
        if (length > MOST_HEADER)
            fail("its header is too long: " + std::to_string(length) + " bytes");
        std::string text((std::size_t)length, '\0');
        if (!read_bytes(sizeof bytes, &text[0], text.size()))
            fail("not a readable safetensors file: its header cannot be read");
        data_ = sizeof bytes + length;
        if (text.empty() || text[0] != '{')
            fail("not a readable safetensors file: its header does not begin with {");
        const Object header = parse_object(text, "not a readable safetensors file: its header");
        read_entries(header);
        read_metadata(header);
    }

    void read_entries(const Object &header)
    {
        for (const auto &[name, value] : header)
            if (name != "__metadata__")
                entries_[name] = entry(value, "tensor " + in_quotes(name) + ": ");
        // Side by side, from the first byte to the last: no two share bytes, and nothing hides between them.
        std::vector<const std::pair<const std::string, Entry> *> sorted;
        for (const auto &item : entries_)
            sorted.push_back(&item);
        std::sort(sorted.begin(), sorted.end(), [](const auto *a, const auto *b) {
            return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
        });
        std::uint64_t at = 0;
        for (const auto *item : sorted) {
            if (item->second.begin != at)
                fail("tensor " + in_quotes(item->first) + ": its bytes do not follow those of the one before");
            at = item->second.end;
        }
        if (at != size_ - data_)
            fail("truncated, or something follows the last tensor");
    }

    // 4096.0 and 4e3 are no sizes.
    static long long size_in(const Json &value, const std::string &what)
    {
        const long long size = value.is<std::int64_t>() ? whole(value, what) : -1;
        if (size < 0)
            fail(what + ": expected an integer, not negative");
        return size;
    }

    Entry entry(const Json &value, const std::string &where) const
    {
        if (!value.is<Object>())
            fail(where + "not described by an object");
        const Object &object = value.get<Object>();
        const Json *dtype = find(object, "dtype"), *shape = find(object, "shape");
        const Json *range = find(object, "data_offsets");
        if (!dtype || !dtype->is<std::string>() || !shape || !shape->is<picojson::array>() || !range ||
            !range->is<picojson::array>() || range->get<picojson::array>().size() != 2)
            fail(where + "dtype, shape or data_offsets are missing");
        Entry entry;
        entry.dtype = dtype->get<std::string>();
        if (!bits_of(entry.dtype))
            fail(where + "an unknown dtype: " + in_quotes(entry.dtype));
        for (const Json &size : shape->get<picojson::array>())
            entry.shape.push_back(size_in(size, where + "shape"));
        const long long begin = size_in(range->get<picojson::array>()[0], where + "data_offsets");
        const long long end = size_in(range->get<picojson::array>()[1], where + "data_offsets");
        if (end < begin || (std::uint64_t)end > size_ - data_)
            fail(where + "its bytes lie outside the file");
        entry.begin = (std::uint64_t)begin;
        entry.end = (std::uint64_t)end;
        if (bytes_of(entry, size_) != entry.end - entry.begin)
            fail(where + "its bytes do not fit its shape");
        return entry;
    }

    void read_metadata(const Object &header)
    {
        static const Object nothing;
        const Json *value = find(header, "__metadata__");
        if (value && !value->is<Object>())
            fail("not a readable safetensors file: __metadata__ is not an object");
        const Object &metadata = value ? value->get<Object>() : nothing;
        for (const auto &[name, item] : metadata)
            if (!item.is<std::string>())
                fail("not a readable safetensors file: __metadata__: " + in_quotes(name) + " is not a string");
        const auto text = [&](const char *key) {
            const Json *item = find(metadata, key);
            return item ? item->get<std::string>() : std::string();
        };
        if (text("format") != FORMAT)
            fail("not a model file of spleeterrt (its metadata do not say so)");
        if (text("version") != VERSION)
            fail("version " + text("version") + " of the format; this spleeterrt reads " + VERSION);
        checksums_ = parse_object(text("crc32c"), "corrupt metadata: crc32c");
        const std::string config = text("config");
        if (!matches(find(checksums_, ""), config.data(), config.size()))
            fail("corrupt: wrong checksum of the configuration");
        config_ = parse_config(config);
    }

    std::unique_ptr<ByteSource> source_;
    std::uint64_t size_, data_ = 0; // bytes of the file, where the tensors begin
    std::map<std::string, Entry> entries_;
    Object checksums_;
    ModelFileConfig config_;
};

namespace {

std::unique_ptr<ModelFile> open_model(const std::string &path)
{
    std::string error;
    std::unique_ptr<ByteSource> source = open_file(path, error);
    if (!source)
        fail(error);
    return std::unique_ptr<ModelFile>(new ModelFile(std::move(source)));
}

// Whether the work was done; its failure in words that begin with the name of the file. Too little memory is no failure
// of the file: std::bad_alloc passes.
template <typename Work> bool attempt(const std::string &name, std::string &error, Work work)
{
    try {
        work();
        return true;
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception &failure) { // our own, and what libraries throw
        error = name + ": " + failure.what();
    }
    return false;
}

} // namespace

bool read_model_config(const std::string &path, ModelFileConfig &config, std::string &error)
{
    return attempt(path, error, [&] { config = open_model(path)->config(); });
}

namespace {

// The named stem's tensors, packed into an arena of zeros.
void load_stem(ModelFile &file, const Plan &plan, const std::string &stem, float *arena)
{
    const NetworkConfig &network = file.config().network;
    const WeightLayout layout = weight_layout(network, plan);
    for (int layer = 0; layer < LAYERS; layer++) { // one after the other: few tensors are in memory twice
        std::vector<std::vector<float>> values;
        AlignedFloats small;
        std::vector<float> scales;
        LayerTensors tensors;
        for (const TensorSpec &spec : layer_tensors(network, layer)) {
            if (spec.channel_axis >= 0 && plan.types.layers[layer] != WEIGHTS_FLOAT32) {
                file.read_small(stem, spec, small, scales);
                tensors.small_kernel = small.data();
                tensors.scales = scales.data();
                continue;
            }
            values.emplace_back((std::size_t)spec.count());
            file.read(stem, spec, values.back().data());
            tensors.*spec.place = values.back().data();
        }
        pack_layer(network, plan, layout, layer, tensors, arena);
    }
}

} // namespace

bool choose_model_kernels(const char *isa, const fast_kernels *&kernels, std::string &error)
{
    if (!choose_kernels(isa, kernels, error))
        return false;
    if (!kernels)
        error = fast_kernels_at(0) ? "the reference path is not to be had here: another instruction set, please"
                                   : "this build has no fast kernels, which loading a model needs";
    return kernels;
}

bool load_model(const std::string &path, const char *isa, bool low_memory, LoadedModel &model, std::string &error)
{
    ModelReader reader;
    LoadedModel loaded;
    if (!choose_model_kernels(isa, loaded.kernels, error) || !reader.open(path, error) || !reader.check(error))
        return false;
    loaded.config = reader.config();
    loaded.plan = make_plan(loaded.config.network, loaded.kernels, low_memory, reader.types());
    for (const std::string &stem : loaded.config.instruments) {
        loaded.arenas.emplace_back(0);
        if (!reader.load(loaded.plan, stem, loaded.arenas.back(), error))
            return false;
    }
    model = std::move(loaded);
    return true;
}

ModelReader::ModelReader() = default;
ModelReader::~ModelReader() = default;

bool ModelReader::open(const std::string &path, std::string &error)
{
    name_ = path;
    return attempt(name_, error, [&] { file_ = open_model(path); });
}

bool ModelReader::open(const void *bytes, std::size_t size, const std::string &name, std::string &error)
{
    name_ = name;
    return attempt(name_, error, [&] { file_.reset(new ModelFile(memory_source(bytes, size))); });
}

const ModelFileConfig &ModelReader::config() const { return file_->config(); }

std::vector<StoredTensor> ModelReader::tensors() const
{
    std::vector<StoredTensor> tensors;
    for (const auto &[name, entry] : file_->entries())
        tensors.push_back({name, entry.dtype});
    return tensors;
}

bool ModelReader::check(std::string &error) const
{
    return attempt(name_, error, [&] { file_->check(); });
}

bool ModelReader::read(const std::string &stem, const TensorSpec &spec, float *values, std::string &error)
{
    return attempt(name_, error, [&] { file_->read(stem, spec, values); });
}

bool ModelReader::load(const Plan &plan, const std::string &stem, AlignedFloats &arena, std::string &error)
{
    return attempt(name_, error, [&] {
        const long long size = weight_layout(file_->config().network, plan).size;
        AlignedFloats made = AlignedFloats::in_large_pages((std::size_t)size);
        load_stem(*file_, plan, stem, made.data());
        arena = std::move(made);
    });
}

bool ModelReader::load(const Plan &plan, const std::string &stem, float *arena, std::string &error)
{
    return attempt(name_, error, [&] { load_stem(*file_, plan, stem, arena); });
}

WeightTypes ModelReader::types() const { return file_->types(); }

} // namespace spleeterrt
