#include "shell/product.h"

#include <cstring>

namespace spleeterrt::plugin {

const Product products[n_products] = {
    {4,
     "spleeterrt 4 Stems",
     "io.github.spleeterrt.4stems",
     "https://github.com/spleeterrt/spleeterrt/plugin#4stems",
     {0x53, 0x70, 0x6c, 0x65, 0x65, 0x74, 0x65, 0x72, 0x52, 0x54, 0x2d, 0x73, 0x74, 0x65, 0x6d, 0x34},
     {"vocals", "drums", "bass", "other"},
     {"Vocals", "Drums", "Bass", "Other"}},
    {2,
     "spleeterrt 2 Stems",
     "io.github.spleeterrt.2stems",
     "https://github.com/spleeterrt/spleeterrt/plugin#2stems",
     {0x53, 0x70, 0x6c, 0x65, 0x65, 0x74, 0x65, 0x72, 0x52, 0x54, 0x2d, 0x73, 0x74, 0x65, 0x6d, 0x32},
     {"vocals", "accompaniment"},
     {"Vocals", "Accompaniment"}},
    {5,
     "spleeterrt 5 Stems",
     "io.github.spleeterrt.5stems",
     "https://github.com/spleeterrt/spleeterrt/plugin#5stems",
     {0x53, 0x70, 0x6c, 0x65, 0x65, 0x74, 0x65, 0x72, 0x52, 0x54, 0x2d, 0x73, 0x74, 0x65, 0x6d, 0x35},
     {"vocals", "drums", "bass", "piano", "other"},
     {"Vocals", "Drums", "Bass", "Piano", "Other"}},
};

const Product *product_of_stems(int stems)
{
    for (const Product &product : products)
        if (product.stems == stems)
            return &product;
    return nullptr;
}

const Product *product_of_id(const char *clap_id)
{
    for (const Product &product : products)
        if (clap_id && std::strcmp(product.id, clap_id) == 0)
            return &product;
    return nullptr;
}

} // namespace spleeterrt::plugin
