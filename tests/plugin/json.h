// Answers of the test hosts: numbers, texts, lists and objects as JSON.
#ifndef SPLEETERRT_TESTS_JSON_H
#define SPLEETERRT_TESTS_JSON_H

#include <cstdio>
#include <string>
#include <type_traits>

class Json {
public:
    template <typename Value> explicit Json(const Value &value) : text_(of(value)) {}
    static Json array() { return Json('[', ']'); }
    static Json object() { return Json('{', '}'); }

    Json &push(const Json &value)
    {
        separate();
        text_ += value.text();
        return *this;
    }
    Json &add(const std::string &key, const Json &value)
    {
        separate();
        text_ += of(key) + ": " + value.text();
        return *this;
    }
    template <typename Value> Json &add(const std::string &key, const Value &value) { return add(key, Json(value)); }

    std::string text() const { return end_ ? text_ + end_ : text_; }

private:
    Json(char begin, char end) : text_(1, begin), end_(end) {}
    void separate()
    {
        if (text_.size() > 1)
            text_ += ", ";
    }
    static std::string of(const std::string &text)
    {
        std::string result = "\"";
        for (const char c : text) {
            if (c == '"' || c == '\\')
                result += '\\';
            result += c;
        }
        return result + "\"";
    }
    static std::string of(const char *text) { return of(std::string(text)); }
    static std::string of(bool value) { return value ? "true" : "false"; }
    static std::string of(int value) { return std::to_string(value); }
    static std::string of(double value)
    {
        char text[32];
        std::snprintf(text, sizeof(text), "%.17g", value);
        return text;
    }

    std::string text_;
    char end_ = 0;
};

#endif
