// Reads our model files; see model_file.h. The container is documented at https://huggingface.co/docs/safetensors:
// the length of a header (8 bytes, little-endian), the header (JSON), the tensors' bytes one after the other; what
// they hold, in `spleeterrt.models.packed`.
//
// Nothing in a file is believed before it is checked: lengths and offsets against the file's size, tensors against
// the configuration, and all of that before memory is taken for them. Failures are exceptions in here only.
#include "network/model_file.h"

#include "network/crc32c.h"
#define PICOJSON_USE_INT64 // integers are told from other numbers
#include "picojson/picojson.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <new>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace spleeterrt {
namespace {

constexpr std::uint64_t MOST_HEADER = 8 << 20; // bytes; five stems take 60 kB, 64 with the longest names 5 MB
constexpr std::size_t MOST_VALUES = 1 << 17;   // of JSON, in one text; 64 stems take 48,000
constexpr int MOST_DEPTH = 32;                 // of arrays and objects in one another
constexpr std::size_t MOST_STEMS = 64;
constexpr std::size_t LONGEST_NAME = 200; // bytes of a stem's or a folder's name, as in config.py
const char *const FORMAT = "spleeterrt", *const VERSION = "1";

class Failure : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] void fail(const std::string &message) { throw Failure(message); }

std::string in_quotes(const std::string &text) { return "'" + text + "'"; }

std::string text_of(const std::vector<long long> &shape)
{
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); i++)
        text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + (shape.size() == 1 ? ",)" : ")");
}

// --- JSON -------------------------------------------------------------------------------------

using Json = picojson::value;
using Object = picojson::object;

bool is_utf8(const std::string &text)
{
    for (std::size_t i = 0; i < text.size();) {
        const unsigned char lead = (unsigned char)text[i++];
        if (lead < 0x80)
            continue;
        const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
        if (lead < 0xC2 || lead > 0xF4 || text.size() - i < (std::size_t)more)
            return false;
        const unsigned char next = (unsigned char)text[i];
        // longer than need be, surrogates, beyond the last code point
        if ((lead == 0xE0 && next < 0xA0) || (lead == 0xED && next > 0x9F) || (lead == 0xF0 && next < 0x90) ||
            (lead == 0xF4 && next > 0x8F))
            return false;
        for (int k = 0; k < more; k++, i++)
            if (((unsigned char)text[i] & 0xC0) != 0x80)
                return false;
    }
    return true;
}

// -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?, but not "-0", which some readers take for an integer and some do not.
bool is_number(const std::string &word)
{
    std::size_t at = 0;
    const auto skip = [&](const char *any) { at += at < word.size() && std::strchr(any, word[at]) ? 1 : 0; };
    const auto digits = [&] {
        const std::size_t first = at;
        while (at < word.size() && word[at] >= '0' && word[at] <= '9')
            at++;
        return at - first;
    };
    skip("-");
    const bool zero = at < word.size() && word[at] == '0';
    const std::size_t whole = digits();
    if (!whole || (zero && whole > 1) || word == "-0")
        return false;
    if (at < word.size() && word[at] == '.') {
        at++;
        if (!digits())
            return false;
    }
    if (at < word.size() && (word[at] == 'e' || word[at] == 'E')) {
        at++;
        skip("+-");
        if (!digits())
            return false;
    }
    return at == word.size();
}

// What picojson does not look at: it recurses, and takes for a number what strtod does.
void check_json(const std::string &text, const std::string &what)
{
    static const std::string of_numbers = "+-.0123456789eE";
    int depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); i++) {
        const char c = text[i];
        if (in_string && c == '\\') {
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (in_string) {
            continue;
        } else if ((c == '[' || c == '{') && ++depth > MOST_DEPTH) {
            fail(what + " is nested too deeply");
        } else if (c == ']' || c == '}') {
            depth--;
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            const std::size_t end = std::min(text.find_first_not_of(of_numbers, i), text.size());
            const std::string word = text.substr(i, end - i);
            if (!is_number(word))
                fail(what + " is not JSON: not a number: " + in_quotes(word.substr(0, 32)));
            i = end - 1;
        }
    }
}

// Values as picojson builds them; keys that come twice, and more values than there can be, are refused.
class StrictJson : public picojson::default_parse_context {
public:
    struct State {
        std::size_t values = 0;
        std::string problem;
    };

    StrictJson(Json *out, State &state) : default_parse_context(out), state_(state) {}

    template <typename Iter> bool parse_array_item(picojson::input<Iter> &in, std::size_t)
    {
        picojson::array &items = out_->get<picojson::array>();
        items.emplace_back();
        return parse(items.back(), in);
    }

    template <typename Iter> bool parse_object_item(picojson::input<Iter> &in, const std::string &key)
    {
        const auto added = out_->get<Object>().emplace(key, Json());
        if (!added.second)
            state_.problem = "twice: " + in_quotes(key);
        return added.second && parse(added.first->second, in);
    }

private:
    template <typename Iter> bool parse(Json &value, picojson::input<Iter> &in)
    {
        if (++state_.values > MOST_VALUES) {
            state_.problem = "more than " + std::to_string(MOST_VALUES) + " values";
            return false;
        }
        StrictJson context(&value, state_);
        return picojson::_parse(context, in);
    }

    State &state_;
};

// A JSON object, and nothing behind it but spaces.
Object parse_object(const std::string &text, const std::string &what)
{
    if (!is_utf8(text))
        fail(what + " is not UTF-8");
    check_json(text, what);
    Json value;
    StrictJson::State state;
    StrictJson context(&value, state);
    std::string error;
    auto end = text.begin();
    try {
        end = picojson::_parse(context, text.begin(), text.end(), &error);
    } catch (const std::overflow_error &) {
        state.problem = "a number beyond a double";
    }
    if (!state.problem.empty())
        fail(what + " is not usable: " + state.problem);
    if (!error.empty())
        fail(what + " is not JSON");
    if (std::any_of(end, text.end(), [](char c) { return !std::strchr(" \t\r\n", c) || c == '\0'; }))
        fail(what + " is not JSON: something follows it");
    if (!value.is<Object>())
        fail(what + " is not a JSON object");
    return std::move(value.get<Object>());
}

// null: the object has no such key, or null there.
const Json *find(const Object &object, const std::string &key)
{
    const auto found = object.find(key);
    return found == object.end() || found->second.is<picojson::null>() ? nullptr : &found->second;
}

// An integer that a double holds exactly.
long long whole(const Json &value, const std::string &what)
{
    const double number = value.is<double>() ? value.get<double>() : NAN;
    if (!(std::fabs(number) <= 9007199254740992.0) || number != std::floor(number))
        fail(what + ": expected an integer");
    return (long long)number;
}

// --- configuration: as `ModelConfig.from_dict` reads it -----------------------------------------

class ConfigReader {
public:
    ModelFileConfig read(const Object &params)
    {
        static const Object nothing;
        const Object &model = object(params, "model", nothing), &network = object(model, "params", nothing);
        ModelFileConfig config;
        read_instruments(params, config.instruments);
        check_model_dir(params);
        config.model_dir = string(params, "model_dir", "");
        config.sample_rate = integer(params, "sample_rate", config.sample_rate, 768000);
        config.frame_length = integer(params, "frame_length", config.frame_length, 1 << 16);
        config.frame_step = integer(params, "frame_step", config.frame_step, config.frame_length);
        config.T = integer(params, "T", config.T, 1 << 14);
        config.F = integer(params, "F", config.F, config.bins());
        if (!is_size(config.T, config.F))
            fail("T and F must be multiples of " + std::to_string(SIZE_MULTIPLE));
        config.network.n_channels = integer(params, "n_channels", config.network.n_channels, 2);
        if (const Json *exponent = find(params, "separation_exponent"))
            config.separation_exponent = exponent->is<double>() ? exponent->get<double>() : NAN;
        if (!(config.separation_exponent > 0 && config.separation_exponent <= 10))
            fail("expected 0 < separation_exponent <= 10");
        if (choice(string(params, "mask_extension", "zeros"), {"zeros", "average"}, "mask_extension"))
            config.mask_extension = ModelFileConfig::MaskExtension::average;
        config.softmax = choice(string(model, "type", "unet.unet"), {"unet.unet", "unet.softmax_unet"}, "model type");
        read_filters(network, config.network.conv_n_filters);
        // Spleeter's own rule (unet.py): an unknown name means LeakyReLU in the encoder, ReLU in the decoder.
        activation(network, "conv_activation", config.network.conv_activation);
        activation(network, "deconv_activation", config.network.deconv_activation);
        if (!is_valid(config.network))
            fail("a network that cannot be (n_channels must be 2)");
        return config;
    }

private:
    static const Object &object(const Object &from, const char *key, const Object &otherwise)
    {
        const Json *value = find(from, key);
        if (value && !value->is<Object>())
            fail(std::string(key) + ": expected an object");
        return value ? value->get<Object>() : otherwise;
    }

    static std::string string(const Object &from, const char *key, const char *otherwise)
    {
        const Json *value = find(from, key);
        if (value && !value->is<std::string>())
            fail(std::string(key) + ": expected a string");
        return value ? value->get<std::string>() : otherwise;
    }

    static int integer(const Object &from, const char *key, int otherwise, int most)
    {
        const Json *value = find(from, key);
        const long long number = value ? whole(*value, key) : otherwise;
        if (number < 1 || number > most)
            fail(std::string("expected ") + key + " to be an integer from 1 to " + std::to_string(most) + ", got " +
                 std::to_string(number));
        return (int)number;
    }

    // Whether it is the second of the two.
    static bool choice(const std::string &value, std::pair<const char *, const char *> choices, const char *what)
    {
        if (value != choices.first && value != choices.second)
            fail(std::string(what) + ": expected " + choices.first + " or " + choices.second + ", got " +
                 in_quotes(value));
        return value == choices.second;
    }

    static void activation(const Object &from, const char *key, int &code)
    {
        const Json *value = find(from, key);
        const int named = value && value->is<std::string>() ? activation_code(value->get<std::string>()) : -1;
        if (named >= 0)
            code = named;
    }

    static bool can_be_a_path(const std::string &name)
    {
        return name.size() <= LONGEST_NAME &&
               std::none_of(name.begin(), name.end(), [](unsigned char code) { return code < 32 || code == 127; });
    }

    // Where a checkpoint would lie: of no use here, but the same files are refused.
    static void check_model_dir(const Object &params)
    {
        const Json *value = find(params, "model_dir");
        if (!value || value->is<picojson::null>())
            return;
        std::string part;
        std::istringstream parts(value->is<std::string>() ? value->get<std::string>() : "\n/");
        while (std::getline(parts, part, '/'))
            if (!can_be_a_path(part))
                fail("expected model_dir to be the name of a folder");
    }

    static void read_instruments(const Object &params, std::vector<std::string> &names)
    {
        const Json *list = find(params, "instrument_list");
        if (!list || !list->is<picojson::array>() || list->get<picojson::array>().empty())
            fail("expected instrument_list to be a list of stem names");
        for (const Json &item : list->get<picojson::array>()) {
            const std::string name = item.is<std::string>() ? item.get<std::string>() : "";
            // Such that they can be file names.
            if (name.empty() || name == "." || name == ".." || name.find_first_of("/\\") != name.npos ||
                !can_be_a_path(name))
                fail("instrument_list: not a name of a stem: " + in_quotes(name));
            if (std::find(names.begin(), names.end(), name) != names.end())
                fail("instrument_list: twice: " + in_quotes(name));
            names.push_back(name);
        }
        if (names.size() > MOST_STEMS)
            fail("expected at most " + std::to_string(MOST_STEMS) + " stems, got " + std::to_string(names.size()));
    }

    static void read_filters(const Object &network, int (&filters)[DEPTH])
    {
        const Json *value = find(network, "conv_n_filters");
        if (!value)
            return;
        const std::string expected =
            "conv_n_filters: expected " + std::to_string(DEPTH) + " integers from 1 to " + std::to_string(MOST_FILTERS);
        if (!value->is<picojson::array>() || value->get<picojson::array>().size() != DEPTH)
            fail(expected);
        for (int k = 0; k < DEPTH; k++) {
            const long long width = whole(value->get<picojson::array>()[k], "conv_n_filters");
            if (width < 1 || width > MOST_FILTERS)
                fail(expected);
            filters[k] = (int)width;
        }
    }
};

// --- the file -----------------------------------------------------------------------------------

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
    explicit ModelFile(const std::string &path)
    {
        const auto place = std::filesystem::u8path(path);
        std::error_code code;
        if (!std::filesystem::exists(place, code))
            fail("no such file");
        if (!std::filesystem::is_regular_file(place, code)) // neither a folder nor something that never ends
            fail("not a file");
        size_ = std::filesystem::file_size(place, code);
        stream_.open(place, std::ios::binary);
        if (code || !stream_)
            fail("cannot be opened");
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
        const std::string &dtype = entries_.at(stem + "/" + spec.name).dtype;
        const std::size_t count = (std::size_t)spec.count();
        if (dtype == "F16") {
            std::vector<std::uint16_t> halves(count);
            read_stored(stem, spec, halves.data());
            std::transform(halves.begin(), halves.end(), values, float_of_half);
        } else if (dtype == "I8") {
            std::vector<std::int8_t> steps(count);
            read_stored(stem, spec, steps.data());
            scale(steps, scales(stem, scales_of(spec)), spec, values);
        } else {
            read_stored(stem, spec, values);
        }
        if (!std::all_of(values, values + count, [](float value) { return std::isfinite(value); }))
            fail(where(stem, spec) + "holds values that are not finite");
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

    bool read_bytes(std::uint64_t offset, void *out, std::size_t size)
    {
        stream_.clear();
        stream_.seekg((std::streamoff)offset);
        stream_.read(static_cast<char *>(out), (std::streamsize)size);
        return stream_.good() && (std::size_t)stream_.gcount() == size;
    }

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
        const Object params = parse_object(config, "corrupt metadata: config");
        try {
            config_ = ConfigReader().read(params);
        } catch (const Failure &failure) {
            fail(std::string("model configuration: ") + failure.what());
        }
    }

    std::ifstream stream_;
    std::uint64_t size_ = 0, data_ = 0; // bytes of the file, where the tensors begin
    std::map<std::string, Entry> entries_;
    Object checksums_;
    ModelFileConfig config_;
};

namespace {

LoadedModel load(const std::string &path, const fast_kernels *kernels, bool low_memory,
                 const std::vector<std::size_t> *networks)
{
    ModelFile file(path);
    LoadedModel model;
    model.config = file.config();
    model.kernels = kernels;
    const NetworkConfig &network = model.config.network;
    model.plan = make_plan(network, kernels, low_memory);
    std::vector<TensorSpec> specs[LAYERS];
    for (int layer = 0; layer < LAYERS; layer++)
        specs[layer] = layer_tensors(network, layer);
    file.check();
    const WeightLayout layout = weight_layout(network, model.plan);
    std::vector<std::string> stems = model.config.instruments;
    if (networks) {
        stems.clear();
        for (const std::size_t index : *networks)
            stems.push_back(model.config.instruments.at(index));
    }
    for (const std::string &stem : stems) {
        AlignedFloats arena((std::size_t)layout.size);
        for (int layer = 0; layer < LAYERS; layer++) { // one after the other: few tensors are in memory twice
            std::vector<std::vector<float>> values;
            LayerTensors tensors;
            for (const TensorSpec &spec : specs[layer]) {
                values.emplace_back((std::size_t)spec.count());
                file.read(stem, spec, values.back().data());
                tensors.*spec.place = values.back().data();
            }
            pack_layer(network, model.plan, layout, layer, tensors, arena.data());
        }
        model.arenas.push_back(std::move(arena));
    }
    return model;
}

} // namespace

int ModelFileConfig::fft_length() const
{
    int length = 1;
    while (length < frame_length)
        length *= 2;
    return length;
}

namespace {

// Whether the work was done; its failure in words that name the file.
template <typename Work> bool attempt(const std::string &path, std::string &error, Work work)
{
    try {
        work();
        return true;
    } catch (const std::bad_alloc &) {
        error = path + ": not enough memory";
    } catch (const std::exception &failure) { // our own, and what libraries throw
        error = path + ": " + failure.what();
    }
    return false;
}

} // namespace

bool read_model_config(const std::string &path, ModelFileConfig &config, std::string &error)
{
    return attempt(path, error, [&] { config = ModelFile(path).config(); });
}

bool load_model(const std::string &path, const char *isa, bool low_memory, LoadedModel &model, std::string &error,
                const std::vector<std::size_t> *networks)
{
    bool possible = true;
    return attempt(path, error,
                   [&] {
                       const fast_kernels *kernels = nullptr;
                       possible = choose_kernels(isa, kernels, error);
                       if (possible && !kernels) {
                           error = fast_kernels_at(0)
                                       ? "the reference path is not to be had here: another instruction set, please"
                                       : "this build has no fast kernels, which loading a model needs";
                           possible = false;
                       }
                       if (possible)
                           model = load(path, kernels, low_memory, networks);
                   }) &&
           possible;
}

ModelReader::ModelReader() = default;
ModelReader::~ModelReader() = default;

bool ModelReader::open(const std::string &path, std::string &error)
{
    path_ = path;
    return attempt(path, error, [&] { file_.reset(new ModelFile(path)); });
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
    return attempt(path_, error, [&] { file_->check(); });
}

bool ModelReader::read(const std::string &stem, const TensorSpec &spec, float *values, std::string &error)
{
    return attempt(path_, error, [&] { file_->read(stem, spec, values); });
}

} // namespace spleeterrt
