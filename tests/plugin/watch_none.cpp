// Where functions of the C library cannot be stood in for: nothing is counted.
#include "watch.h"

namespace watch {

void prepare() {}
void begin() {}
void end() {}
Counts counts() { return {}; }
void clear() {}
bool works() { return false; }

} // namespace watch
