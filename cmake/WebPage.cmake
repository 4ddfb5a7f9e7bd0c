# The page for browsers in the Python package (spleeterrt/_web), where a compiler for WebAssembly is there: a build of
# its own by cmake/wasi.cmake, put together by web/page/site.cmake.

include(ExternalProject)

set(wasi_clang clang-19)
find_program(wasi_compiler ${wasi_clang})
find_program(wasi_linker wasm-ld-19)
set(missing "")
if(NOT wasi_compiler OR NOT wasi_linker)
  set(missing "clang-19 and lld-19")
else()
  foreach(library libc.a libc++.a libc++abi.a)
    execute_process(COMMAND ${wasi_compiler} --target=wasm32-wasi -print-file-name=${library}
      OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT EXISTS "${found}")
      string(APPEND missing " ${library} for wasm32-wasi")
    endif()
  endforeach()
endif()
if(missing)
  if(SPLEETERRT_WEB_PAGE STREQUAL "AUTO")
    message(STATUS "spleeterrt: without the page for browsers, which needs ${missing}")
    return()
  endif()
  message(FATAL_ERROR "SPLEETERRT_WEB_PAGE: needs ${missing}")
endif()

set(web_folder ${PROJECT_BINARY_DIR}/web)
ExternalProject_Add(web_page
  SOURCE_DIR ${PROJECT_SOURCE_DIR}
  BINARY_DIR ${web_folder}/build
  PREFIX ${web_folder}
  # Flags for this machine's compiler are none for that one.
  CMAKE_COMMAND ${CMAKE_COMMAND} -E env --unset=CFLAGS --unset=CXXFLAGS --unset=LDFLAGS ${CMAKE_COMMAND}
  CMAKE_ARGS -DCMAKE_TOOLCHAIN_FILE=${PROJECT_SOURCE_DIR}/cmake/wasi.cmake -DCMAKE_BUILD_TYPE=Release
    -DWASI_CLANG=${wasi_compiler} -DSPLEETERRT_PYTHON=OFF -DSPLEETERRT_WEB=ON
    -DCMAKE_INSTALL_PREFIX=${web_folder}/dist
    -DCMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER} -DCMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}
  BUILD_ALWAYS ON
  USES_TERMINAL_BUILD ON)
ExternalProject_Add_Step(web_page site
  COMMAND ${CMAKE_COMMAND} -DPAGE=${PROJECT_SOURCE_DIR}/web/page -DPACKAGE=${web_folder}/dist/spleeterrt
    -DSITE=${web_folder}/site -P ${PROJECT_SOURCE_DIR}/web/page/site.cmake
  DEPENDEES install ALWAYS ON)
install(DIRECTORY ${web_folder}/site/ DESTINATION spleeterrt/_web)
