# The target `blas`: where the reference path's matrix product comes from (SPLEETERRT_BLAS).

# Folders of the build environment that hold the files of MKL's wheels. The
# wheels install into the environment's data folder, which pip's build
# isolation moves: ask the interpreter that runs the build.
function(find_wheel_folder distribution file out)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c
      "import importlib.metadata as m, os; print([os.path.dirname(os.path.realpath(f.locate())) for f in m.files('${distribution}') if f.name == '${file}'][0], end='')"
    OUTPUT_VARIABLE folder RESULT_VARIABLE failed ERROR_QUIET)
  if(failed)
    set(folder "")
  else()
    file(TO_CMAKE_PATH "${folder}" folder)
  endif()
  set(${out} "${folder}" PARENT_SCOPE)
endfunction()

set(blas_choice "${SPLEETERRT_BLAS}")
set(static_core "${CMAKE_STATIC_LIBRARY_PREFIX}mkl_core${CMAKE_STATIC_LIBRARY_SUFFIX}")
if(blas_choice STREQUAL "auto" OR blas_choice STREQUAL "mkl-static")
  find_wheel_folder(mkl-static "${static_core}" mkl_lib)
  find_wheel_folder(mkl-include mkl_cblas.h mkl_include)
  if(mkl_lib AND mkl_include)
    set(blas_choice "mkl-static")
  elseif(blas_choice STREQUAL "mkl-static")
    message(FATAL_ERROR "SPLEETERRT_BLAS=mkl-static needs the wheels mkl-static and mkl-include in the build environment")
  else()
    set(blas_choice "builtin")
  endif()
endif()

add_library(blas INTERFACE)
if(blas_choice STREQUAL "builtin")
  target_compile_definitions(blas INTERFACE SPLEETERRT_BUILTIN)
elseif(blas_choice STREQUAL "mkl-static")
  target_include_directories(blas INTERFACE "${mkl_include}")
  target_compile_definitions(blas INTERFACE SPLEETERRT_MKL SPLEETERRT_MKL_PRIVATE)
  foreach(part intel_lp64 sequential core)
    list(APPEND mkl_parts "${mkl_lib}/${CMAKE_STATIC_LIBRARY_PREFIX}mkl_${part}${CMAKE_STATIC_LIBRARY_SUFFIX}")
  endforeach()
  if(MSVC)
    target_link_libraries(blas INTERFACE ${mkl_parts})
  else()
    # The three archives refer to one another.
    target_link_libraries(blas INTERFACE -Wl,--start-group ${mkl_parts} -Wl,--end-group pthread m dl)
  endif()
elseif(blas_choice STREQUAL "mkl-shared")
  find_wheel_folder(mkl-include mkl_cblas.h mkl_include)
  # The wheels install `libmkl_core.so.3`, without the plain `.so` that a linker looks for.
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c
      "import importlib.metadata as m, os, re; fs=[f for f in m.files('mkl') if re.fullmatch(r'(lib)?mkl_(intel_lp64|sequential|core)(\\.so\\.[0-9]+|\\.[0-9]+\\.dll|\\.dylib)', f.name)]; print(';'.join(sorted(os.path.realpath(f.locate()) for f in fs)), end='')"
    OUTPUT_VARIABLE mkl_shared RESULT_VARIABLE failed)
  list(LENGTH mkl_shared mkl_count)
  if(failed OR NOT mkl_count EQUAL 3 OR NOT mkl_include)
    message(FATAL_ERROR "SPLEETERRT_BLAS=mkl-shared needs the wheels mkl and mkl-include in the build environment (build with --no-build-isolation)")
  endif()
  target_include_directories(blas INTERFACE "${mkl_include}")
  target_compile_definitions(blas INTERFACE SPLEETERRT_MKL)
  # Sequential by name: mkl_rt would pick a threading layer from whatever else is loaded.
  if(UNIX AND NOT APPLE)
    target_link_libraries(blas INTERFACE -Wl,--no-as-needed ${mkl_shared} -Wl,--as-needed)
  else()
    target_link_libraries(blas INTERFACE ${mkl_shared})
  endif()
elseif(blas_choice STREQUAL "cblas")
  find_path(CBLAS_INCLUDE_DIR cblas.h PATH_SUFFIXES openblas openblas-serial openblas-pthread REQUIRED)
  find_library(CBLAS_LIBRARY NAMES openblas cblas blas Accelerate REQUIRED
    HINTS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-serial)
  target_include_directories(blas INTERFACE "${CBLAS_INCLUDE_DIR}")
  target_link_libraries(blas INTERFACE "${CBLAS_LIBRARY}")
  if(CBLAS_LIBRARY MATCHES "\\${CMAKE_STATIC_LIBRARY_SUFFIX}$") # it becomes a part of the module
    set(CBLAS_LICENSE "" CACHE FILEPATH "The text of the licence of a static CBLAS")
    set(CBLAS_LICENSE_EXPRESSION BSD-3-Clause CACHE STRING "That licence in SPDX")
    if(CBLAS_LICENSE)
      contains(cblas "${CBLAS_LICENSE_EXPRESSION}" "${CBLAS_LICENSE}")
    else()
      message(WARNING "spleeterrt: ${CBLAS_LIBRARY} is linked statically; CBLAS_LICENSE names no text for the package")
    endif()
  endif()
  include(CheckLibraryExists)
  check_library_exists("${CBLAS_LIBRARY}" openblas_get_parallel "" HAVE_OPENBLAS)
  if(HAVE_OPENBLAS)
    target_compile_definitions(blas INTERFACE SPLEETERRT_OPENBLAS)
  endif()
else()
  message(FATAL_ERROR "SPLEETERRT_BLAS: expected auto, mkl-static, mkl-shared, cblas or builtin, got ${SPLEETERRT_BLAS}")
endif()
target_compile_definitions(blas INTERFACE "SPLEETERRT_BLAS_NAME=\"${blas_choice}\"")
message(STATUS "spleeterrt: BLAS is ${blas_choice}")

if(blas_choice STREQUAL "mkl-static")
  find_wheel_folder(mkl-static LICENSE.txt mkl_license)
  find_wheel_folder(mkl-static third-party-programs.txt mkl_third_party)
  contains(mkl LicenseRef-Intel-Simplified-Software-License
    "${mkl_license}/LICENSE.txt" "${mkl_third_party}/third-party-programs.txt")
endif()
