#include "network/model_config.h"

#include "network/strict_json.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace spleeterrt {
namespace {

constexpr std::size_t MOST_STEMS = 64;
constexpr std::size_t LONGEST_NAME = 200; // bytes of a stem's or a folder's name, as in config.py

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
        const std::string path = value->is<std::string>() ? value->get<std::string>() : "\n";
        for (std::size_t first = 0, end = 0; end != path.npos; first = end + 1) {
            end = path.find('/', first);
            if (!can_be_a_path(path.substr(first, end - first)))
                fail("expected model_dir to be the name of a folder");
        }
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

} // namespace

ModelFileConfig parse_config(const std::string &json)
{
    const Object params = parse_object(json, "corrupt metadata: config");
    try {
        return ConfigReader().read(params);
    } catch (const Failure &failure) {
        fail(std::string("model configuration: ") + failure.what());
    }
}

} // namespace spleeterrt
