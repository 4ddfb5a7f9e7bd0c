#include "turtle.h"

#include <cstdio>
#include <vector>

namespace spleeterrt::plugin::lv2 {
namespace {

constexpr const char *prefixes = "@prefix atom: <http://lv2plug.in/ns/ext/atom#> .\n"
                                 "@prefix bufsz: <http://lv2plug.in/ns/ext/buf-size#> .\n"
                                 "@prefix doap: <http://usefulinc.com/ns/doap#> .\n"
                                 "@prefix foaf: <http://xmlns.com/foaf/0.1/> .\n"
                                 "@prefix lv2: <http://lv2plug.in/ns/lv2core#> .\n"
                                 "@prefix opts: <http://lv2plug.in/ns/ext/options#> .\n"
                                 "@prefix param: <http://lv2plug.in/ns/ext/parameters#> .\n"
                                 "@prefix pg: <http://lv2plug.in/ns/ext/port-groups#> .\n"
                                 "@prefix pprops: <http://lv2plug.in/ns/ext/port-props#> .\n"
                                 "@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .\n"
                                 "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
                                 "@prefix state: <http://lv2plug.in/ns/ext/state#> .\n"
                                 "@prefix ui: <http://lv2plug.in/ns/extensions/ui#> .\n"
                                 "@prefix units: <http://lv2plug.in/ns/extensions/units#> .\n"
                                 "@prefix urid: <http://lv2plug.in/ns/ext/urid#> .\n\n";

constexpr const char *sides[] = {"left", "right"};

std::string quoted(const std::string &text)
{
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\')
            result += '\\';
        result += c;
    }
    return result + "\"";
}

std::string resource(const std::string &uri) { return "<" + uri + ">"; }
std::string decimal(double value) { return number_text(value, 1); }

// The product's URI ends in a fragment: those of its parts are longer ones.
std::string part(const Product &product, const std::string &name)
{
    return resource(std::string(product.uri) + "-" + name);
}

std::string stem_symbol(const Product &product, int bus) { return bus == 0 ? "mix" : product.stem_names[bus - 1]; }
std::string stem_label(const Product &product, int bus) { return bus == 0 ? "Mix" : product.stem_labels[bus - 1]; }

// A port: "a lv2:InputPort , lv2:ControlPort ; ..." from its properties in order.
class Port {
public:
    Port(int index, const char *direction, const char *kind, const std::string &symbol, const std::string &name)
    {
        text_ = std::string("    [\n        a lv2:") + direction + " , lv2:" + kind;
        add("lv2:index", std::to_string(index));
        add("lv2:symbol", quoted(symbol));
        add("lv2:name", quoted(name));
    }
    Port &add(const char *property, const std::string &value)
    {
        text_ += std::string(" ;\n        ") + property + " " + value;
        return *this;
    }
    Port &range(const std::string &usual, const std::string &least, const std::string &most)
    {
        return add("lv2:default", usual).add("lv2:minimum", least).add("lv2:maximum", most);
    }
    Port &point(const std::string &label, int value)
    {
        return add("lv2:scalePoint", "[ rdfs:label " + quoted(label) + " ; rdf:value " + std::to_string(value) + " ]");
    }
    std::string text() const { return text_ + "\n    ]"; }

private:
    std::string text_;
};

Port audio_port(const Product &product, int index, int bus, int side, bool input)
{
    const std::string symbol = input ? "in" : stem_symbol(product, bus),
                      name = input ? "Input" : stem_label(product, bus);
    Port port(index, input ? "InputPort" : "OutputPort", "AudioPort", symbol + "_" + sides[side],
              name + " " + sides[side]);
    port.add("lv2:designation", std::string("pg:") + sides[side]);
    port.add("pg:group", part(product, input ? "input" : symbol));
    if (!input && bus > 0) // hosts need not take every stem
        port.add("lv2:portProperty", "lv2:connectionOptional");
    return port;
}

Port parameter_port(const Product &product, const Parameter &p, int index)
{
    if (p.kind == Kind::bypass) { // the other way round, as LV2 has it
        Port port(index, "InputPort", "ControlPort", "enabled", "Enabled");
        port.range("1", "0", "1").add("lv2:designation", "lv2:enabled").add("lv2:portProperty", "lv2:toggled");
        return port;
    }
    Port port(index, "InputPort", "ControlPort", p.symbol, p.name);
    if (!p.stepped())
        port.range(decimal(p.usual), decimal(p.least), decimal(p.most));
    else
        port.range(number_text(p.usual, 0), number_text(p.least, 0), number_text(p.most, 0));
    if (p.is_switch()) {
        port.add("lv2:portProperty", "lv2:toggled");
    } else if (p.stepped()) {
        port.add("lv2:portProperty", "lv2:integer , lv2:enumeration");
        for (std::size_t i = 0; i < p.choices.size(); i++)
            port.point(p.choices[i], static_cast<int>(i));
    }
    if (p.unit == "dB")
        port.add("units:unit", "units:db");
    if (p.stem >= 0)
        port.add("pg:group", part(product, std::string(product.stem_names[p.stem]) + "-controls"));
    return port;
}

Port readout_port(const Readout &readout, int index)
{
    const std::string unit = readout.unit;
    Port port(index, "OutputPort", "ControlPort", readout.symbol, readout.name);
    port.range("0", "0", number_text(readout.most, 0));
    if (readout.choices[0])
        port.add("lv2:portProperty", "lv2:integer , lv2:enumeration");
    else if (readout.whole)
        port.add("lv2:portProperty", "lv2:integer");
    for (int i = 0; readout.choices[i]; i++)
        port.point(readout.choices[i], i);
    if (unit == "%")
        port.add("units:unit", "units:pc");
    return port;
}

std::string ports_of(const Product &product)
{
    const Ports ports(product);
    std::string text = "    lv2:port\n";
    const char *separator = "";
    const auto next = [&](const Port &port) {
        text += separator + port.text();
        separator = " ,\n";
    };
    for (int side = 0; side < 2; side++)
        next(audio_port(product, side, 0, side, true));
    for (int c = 0; c < ports.outputs; c++)
        next(audio_port(product, 2 + c, c / 2, c % 2, false));
    for (std::size_t i = 0; i < ports.parameters.size(); i++)
        next(parameter_port(product, ports.parameters[i], ports.first_parameter + static_cast<int>(i)));
    next(Port(ports.latency, "OutputPort", "ControlPort", "latency", "Latency")
             .range("0", "0", "2000000")
             .add("lv2:designation", "lv2:latency")
             .add("lv2:portProperty", "lv2:reportsLatency , lv2:integer")
             .add("units:unit", "units:frame"));
    next(Port(ports.free_wheel, "InputPort", "ControlPort", "free_wheel", "Rendering")
             .range("0", "0", "1")
             .add("lv2:designation", "lv2:freeWheeling")
             .add("lv2:portProperty", "lv2:toggled , pprops:notOnGUI"));
    for (int i = 0; i < Ports::n_shown; i++)
        next(readout_port(readouts[static_cast<std::size_t>(Ports::shown[i])], ports.first_readout + i));
    return text + " .\n";
}

std::string group(const Product &product, const std::string &symbol, const std::string &name, const char *classes,
                  bool derived)
{
    std::string lv2_symbol = symbol;
    for (char &c : lv2_symbol)
        if (c == '-')
            c = '_';
    return part(product, symbol) + "\n    a " + classes + " ;\n    lv2:symbol " + quoted(lv2_symbol) +
           " ;\n    lv2:name " + quoted(name) + (derived ? " ;\n    pg:source " + part(product, "input") : "") +
           " .\n\n";
}

std::string groups_of(const Product &product)
{
    std::string text = group(product, "input", "Input", "pg:InputGroup , pg:StereoGroup", false);
    for (int bus = 0; bus <= product.stems; bus++)
        text += group(product, stem_symbol(product, bus), stem_label(product, bus), "pg:OutputGroup , pg:StereoGroup",
                      true);
    for (int bus = 1; bus <= product.stems; bus++)
        text +=
            group(product, stem_symbol(product, bus) + "-controls", stem_label(product, bus), "pg:InputGroup", false);
    return text;
}

// A project of hosts' lists: who, where, under what licence.
std::string project()
{
    return resource(homepage) + "\n    a doap:Project ;\n    doap:name " + quoted(vendor) + " ;\n    doap:homepage " +
           resource(homepage) + " ;\n    doap:shortdesc " + quoted(spleeterrt::plugin::description) +
           " ;\n    doap:license <http://opensource.org/licenses/MIT> ;\n    doap:maintainer [\n        a foaf:Agent "
           ";\n"
           "        foaf:name " +
           quoted(vendor) + " ;\n        foaf:homepage " + resource(homepage) + "\n    ] .\n\n";
}

// LV2 has two numbers, even ones for releases, and no first one: what is not compatible has another URI.
std::string versions(const std::string &version)
{
    int major = 0, minor = 0, micro = 0;
    if (std::sscanf(version.c_str(), "%d.%d.%d", &major, &minor, &micro) < 2)
        major = minor = micro = 0;
    return "    lv2:minorVersion " + std::to_string(2 * (100 * major + minor)) + " ;\n    lv2:microVersion " +
           std::to_string(2 * micro) + " ;\n";
}

// What hosts are to tell the user interface: the parameters they do anyway, but what comes out some only if asked.
std::string notifications()
{
    std::string text;
    for (const Product &product : products) {
        std::vector<std::string> symbols = {"latency"};
        for (const int shown : Ports::shown)
            symbols.emplace_back(readouts[static_cast<std::size_t>(shown)].symbol);
        for (const std::string &symbol : symbols)
            text += " ;\n    ui:portNotification [ ui:plugin " + resource(product.uri) + " ; lv2:symbol " +
                    quoted(symbol) + " ; ui:protocol ui:floatProtocol ]";
    }
    return text;
}

} // namespace

std::string file_of(const Product &product) { return std::to_string(product.stems) + "stems.ttl"; }

std::string manifest(const std::string &binary, const std::string &ui)
{
    std::string text = prefixes;
    if (!ui.empty())
        text +=
            resource(ui_uri) + "\n    a ui:" + ui + " ;\n    lv2:binary " + resource(binary) +
            " ;\n    lv2:requiredFeature ui:idleInterface ;\n"
            "    lv2:optionalFeature <http://lv2plug.in/ns/ext/instance-access> , ui:parent , ui:resize , ui:touch , "
            "urid:map , opts:options ;\n"
            "    lv2:extensionData ui:idleInterface , ui:resize ;\n"
            "    opts:supportedOption ui:scaleFactor , param:sampleRate" +
            notifications() + " .\n\n";
    for (const Product &product : products)
        text += resource(product.uri) + "\n    a lv2:Plugin ;\n    lv2:binary " + resource(binary) +
                " ;\n    rdfs:seeAlso " + resource(file_of(product)) + " .\n\n";
    return text;
}

std::string description(const Product &product, const std::string &version, bool with_ui)
{
    const std::string ui = with_ui ? "    ui:ui " + resource(ui_uri) + " ;\n" : "";
    return prefixes + project() + groups_of(product) + resource(product.uri) +
           "\n    a lv2:Plugin , lv2:SpectralPlugin ;\n    doap:name " + quoted(product.name) +
           " ;\n    doap:shortdesc " + quoted(spleeterrt::plugin::description) +
           " ;\n    doap:license <http://opensource.org/licenses/MIT> ;\n    lv2:project " + resource(homepage) +
           " ;\n" + ui + versions(version) + "    rdfs:comment " +
           quoted("Stereo in; out come the mix of all stems under their gains, mutes and solos, and "
                  "every stem by itself before them, all of them later by the reported latency.") +
           " ;\n    lv2:optionalFeature lv2:hardRTCapable , urid:map , opts:options , bufsz:boundedBlockLength ;\n"
           "    lv2:extensionData state:interface , opts:interface ;\n"
           "    opts:supportedOption bufsz:maxBlockLength , bufsz:nominalBlockLength ;\n"
           "    pg:mainInput " +
           part(product, "input") + " ;\n    pg:mainOutput " + part(product, "mix") + " ;\n" + ports_of(product);
}

} // namespace spleeterrt::plugin::lv2
