// A plugin for tests of the editor: it remembers what the editor does, and says what a test puts in.
#ifndef SPLEETERRT_TESTS_EDITOR_HOST_H
#define SPLEETERRT_TESTS_EDITOR_HOST_H

#include "editor/editor.h"

#include <string>
#include <vector>

class TestHost : public spleeterrt::plugin::EditorHost {
public:
    using Kind = spleeterrt::plugin::Kind;

    explicit TestHost(int stems)
        : product_(*spleeterrt::plugin::product_of_stems(stems)), parameters_(product_), peaks(12, 0.0f)
    {
        for (std::size_t i = 0; i < parameters_.size(); i++)
            values.push_back(parameters_[i].usual);
    }

    const spleeterrt::plugin::Product &product() const override { return product_; }
    const spleeterrt::plugin::Parameters &parameters() const override { return parameters_; }
    double value(std::size_t parameter) const override { return values[parameter]; }
    void begin_edit(std::size_t parameter) override { log += "begin " + parameters_[parameter].symbol + "\n"; }
    void edit(std::size_t parameter, double value) override
    {
        log += "edit " + parameters_[parameter].symbol + " " + spleeterrt::plugin::number_text(value, 1) + "\n";
        values[parameter] = value;
    }
    void end_edit(std::size_t parameter) override { log += "end " + parameters_[parameter].symbol + "\n"; }
    spleeterrt::plugin::Status status() const override { return now; }
    float peak(int bus, int channel) override { return peaks[static_cast<std::size_t>(2 * bus + channel)]; }

    std::size_t of(Kind kind, int stem = -1) const { return parameters_.index_of(kind, stem); }

private:
    const spleeterrt::plugin::Product &product_;
    const spleeterrt::plugin::Parameters parameters_;

public:
    std::vector<double> values;
    std::vector<float> peaks; // [bus][channel]
    spleeterrt::plugin::Status now;
    std::string log; // a line per call
};

#endif
