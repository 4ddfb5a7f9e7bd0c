// The typefaces of the editor, as TrueType files inside the binary (typefaces/README.md).
#ifndef SPLEETERRT_EDITOR_TYPEFACES_H
#define SPLEETERRT_EDITOR_TYPEFACES_H

namespace spleeterrt::editor::typefaces {

extern const unsigned char regular[];
extern const unsigned char medium[];

} // namespace spleeterrt::editor::typefaces

#endif
