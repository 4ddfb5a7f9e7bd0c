# Toolchain: clang-cl without Windows' headers, which Debian has not: enough to compile the fast layers, which need hardly any
# (headers/ declares what they use). On Windows clang-cl needs no toolchain file.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
foreach(language C CXX)
  set(CMAKE_${language}_COMPILER clang-cl-19)
  set(CMAKE_${language}_COMPILER_TARGET x86_64-pc-windows-msvc)
  set(CMAKE_${language}_FLAGS_INIT "/imsvc ${CMAKE_CURRENT_LIST_DIR}/headers")
endforeach()
set(CMAKE_LINKER lld-link-19)
set(CMAKE_AR llvm-lib-19)
set(CMAKE_RC_COMPILER llvm-rc-19)
set(CMAKE_MT llvm-mt-19)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY) # there is nothing to link with
