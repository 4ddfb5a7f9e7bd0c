// What the binary offers: a plugin each for 2, 4 and 5 stems. Identifiers are in the projects of users: they stay.
#ifndef SPLEETERRT_PLUGIN_PRODUCT_H
#define SPLEETERRT_PLUGIN_PRODUCT_H

namespace spleeterrt::plugin {

constexpr int most_stems = 5;

struct Product {
    int stems;
    const char *name;                    // as a host lists it
    const char *id;                      // of CLAP
    const char *uri;                     // of LV2
    unsigned char vst3[16];              // class identifier of VST3
    const char *stem_names[most_stems];  // as models call them
    const char *stem_labels[most_stems]; // as people read them
};

constexpr int n_products = 3;
extern const Product products[n_products];

const Product *product_of_stems(int stems); // nullptr: there is none
const Product *product_of_id(const char *clap_id);

constexpr const char *vendor = "spleeterrt";
constexpr const char *homepage = "https://github.com/spleeterrt/spleeterrt";
constexpr const char *description = "Separates music into stems while it plays";

} // namespace spleeterrt::plugin

#endif
