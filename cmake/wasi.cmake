# Toolchain: WebAssembly by clang 19 and WASI's libraries. Debian: clang-19 lld-19 wasi-libc libc++-19-dev-wasm32
# libc++abi-19-dev-wasm32 libclang-rt-19-dev-wasm32. Elsewhere: WASI_CLANG (the compilers' folder and version suffix
# are taken from it), CMAKE_SYSROOT.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(WASI TRUE)
set(WASI_CLANG clang-19 CACHE STRING "clang that compiles to wasm32-wasi")
string(REGEX REPLACE "clang(-[0-9]+)?$" "clang++\\1" wasi_clangxx "${WASI_CLANG}")
set(CMAKE_C_COMPILER "${WASI_CLANG}")
set(CMAKE_CXX_COMPILER "${wasi_clangxx}")
set(CMAKE_C_COMPILER_TARGET wasm32-wasi)
set(CMAKE_CXX_COMPILER_TARGET wasm32-wasi)
# Programs link by start-up code that only they have (-mexec-model=reactor).
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES WASI_CLANG)
