#include "network/strict_json.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace spleeterrt {
namespace {

constexpr std::size_t MOST_VALUES = 1 << 17; // in one text; 64 stems take 48,000
constexpr int MOST_DEPTH = 32;               // of arrays and objects in one another

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

} // namespace

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

const Json *find(const Object &object, const std::string &key)
{
    const auto found = object.find(key);
    return found == object.end() || found->second.is<picojson::null>() ? nullptr : &found->second;
}

long long whole(const Json &value, const std::string &what)
{
    const double number = value.is<double>() ? value.get<double>() : NAN;
    if (!(std::fabs(number) <= 9007199254740992.0) || number != std::floor(number))
        fail(what + ": expected an integer");
    return (long long)number;
}

} // namespace spleeterrt
