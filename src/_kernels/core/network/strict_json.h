// JSON from files that nobody vouches for: picojson, and what it does not look at. Failures are exceptions, for the
// readers of model files alone, which turn them into messages.
#ifndef SPLEETERRT_STRICT_JSON_H
#define SPLEETERRT_STRICT_JSON_H

#define PICOJSON_USE_INT64 // integers are told from other numbers
#include "picojson/picojson.h"

#include <stdexcept>
#include <string>

namespace spleeterrt {

class Failure : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] inline void fail(const std::string &message) { throw Failure(message); }

inline std::string in_quotes(const std::string &text) { return "'" + text + "'"; }

using Json = picojson::value;
using Object = picojson::object;

// A JSON object, and nothing behind it but spaces. what: the text's name in messages.
Object parse_object(const std::string &text, const std::string &what);

// null: the object has no such key, or null there.
const Json *find(const Object &object, const std::string &key);

// An integer that a double holds exactly.
long long whole(const Json &value, const std::string &what);

} // namespace spleeterrt

#endif
