// Where models lie, and which of them fits; models of this process, each in memory once.
#ifndef SPLEETERRT_PLUGIN_MODELS_H
#define SPLEETERRT_PLUGIN_MODELS_H

#include "shell/product.h"
#include "spleeterrt.h"

#include <memory>
#include <string>
#include <vector>

namespace spleeterrt::plugin {

using SharedModel = std::shared_ptr<srt_model>;

// Paths are UTF-8. Where a model may be, best first, in this order: the one that was chosen or that
// SPLEETERRT_PLUGIN_MODEL names, and no other then; the user's folder, what lies beside the binary, folders of the
// system. In a folder "<n>stems.safetensors" comes before others.
std::vector<std::string> model_files(const Product &product, const std::string &chosen, const std::string &binary);
std::string user_model_folder(); // "": unknown
std::string place_for_models();  // where a user is to put models: a folder of the system, if there is none of the user

// The stems of a product as srt_options.stems wants them.
std::string stem_list(const Product &product);

// The first file that makes the product's stems; null, and why not: of the first one that does not.
SharedModel open_model(const Product &product, const std::vector<std::string> &files, std::string &file,
                       std::string &problem);

std::string file_name(const std::string &path);

} // namespace spleeterrt::plugin

#endif
