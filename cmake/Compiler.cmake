# How everything here is compiled.

set(CMAKE_C_STANDARD 11)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
if(NOT WASI)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
endif()
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
if(NOT embedded)
  # Programs and libraries lie at the top of the build folder.
  set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release)
  endif()
endif()

# What the fast layers are written in: GCC and clang have it, clang-cl too, Microsoft's compiler has not.
include(CheckCXXSourceCompiles)
check_cxx_source_compiles("
  typedef float Vec __attribute__((vector_size(16)));
  typedef int Mask __attribute__((vector_size(16)));
  int main(int argc, char **) { Vec a = (float)argc - (Vec){}; Mask m = a > 1.0f; a = m ? a * a : -a; return (int)a[0]; }"
  vector_extensions)

# Options of GCC and clang, as this compiler takes them; Microsoft's has none of them.
function(of_clang out)
  set(options ${ARGN})
  if(MSVC AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang") # clang-cl
    list(TRANSFORM options PREPEND "/clang:")
  elseif(MSVC)
    set(options)
  endif()
  set(${out} ${options} PARENT_SCOPE)
endfunction()

set(optimization -O3)
if(SPLEETERRT_SANITIZE)
  set(optimization -O1) # instrumented kernels take ten times as long to compile with -O3
  add_compile_options(-fsanitize=${SPLEETERRT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${SPLEETERRT_SANITIZE})
endif()
if(SPLEETERRT_CHECKS OR SPLEETERRT_SANITIZE)
  add_compile_definitions(SPLEETERRT_CHECKS)
endif()

if(WIN32)
  add_compile_definitions(NOMINMAX WIN32_LEAN_AND_MEAN)
endif()

# Of all kernels, generated ones too. (GCC takes its own AVX-512 headers' undefined vectors for mistakes of ours.)
of_clang(kernel_options ${optimization} -fno-math-errno -fno-trapping-math)
if(NOT MSVC)
  list(APPEND kernel_options
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-psabi> $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-uninitialized -Wno-maybe-uninitialized>)
endif()
if(MINGW AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Windows' stack is aligned to 16 bytes and GCC does not align it further: larger registers may not be saved there by
  # instructions that want it (GCC's bug 54412).
  include(CheckCXXCompilerFlag)
  check_cxx_compiler_flag(-Wa,-muse-unaligned-vector-move has_unaligned_moves)
  if(has_unaligned_moves)
    list(APPEND kernel_options -Wa,-muse-unaligned-vector-move)
  endif()
endif()
of_clang(fuse_multiply_add -ffp-contract=fast)
of_clang(keep_multiply_add -ffp-contract=off)
of_clang(for_size -Os)

# Of what is written here: neither Cython's output nor what lies in extern/.
if(MSVC) # clang-cl: 4 is -Wall -Wextra
  set(warnings $<IF:$<CXX_COMPILER_ID:Clang>,/W4,/W3> $<$<BOOL:${SPLEETERRT_WERROR}>:/WX>)
else()
  set(warnings -Wall -Wextra -Wshadow $<$<BOOL:${SPLEETERRT_WERROR}>:-Werror>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 19)
    list(APPEND warnings $<$<COMPILE_LANGUAGE:CXX>:-Wno-function-effects>) # SRT_NONBLOCKING stands at declarations alone
  endif()
endif()

# The instruction sets that kernels are compiled for; the best one that the machine has is chosen at run time.
if(vector_extensions AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(isas generic avx2 avx512) # core/isa.h lists them, too
  add_compile_definitions(SPLEETERRT_X86_ISAS)
  set(flags_generic -march=x86-64-v2)
  set(flags_avx2 -mavx2 -mfma -mf16c)
  set(flags_avx512 -march=skylake-avx512 -mprefer-vector-width=512)
elseif(vector_extensions AND CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  set(isas neon) # a part of the architecture: no flags
  add_compile_definitions(SPLEETERRT_ARM_ISAS)
elseif(WASI)
  # Modules with one set each (web/CMakeLists.txt), as a browser without relaxed SIMD rejects a module that has it. The
  # core knows both by the same name.
  set(isas generic relaxed)
  set(name_relaxed generic)
  set(flags_relaxed -mrelaxed-simd)
  add_compile_options(-msimd128 $<$<COMPILE_LANGUAGE:CXX>:-fignore-exceptions>)
else()
  set(isas generic)
endif()
if(ZIG AND DEFINED flags_avx512) # its names of processors have no hyphens
  set(flags_generic -mcpu=x86_64_v2)
  set(flags_avx512 -mcpu=skylake_avx512 -mprefer-vector-width=512)
endif()
