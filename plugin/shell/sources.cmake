set(shell_sources shell/parameters.cpp shell/product.cpp)
