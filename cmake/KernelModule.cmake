# add_kernel_module(name [GLUE] CORE parts LIBRARIES libraries): <name>.pyx becomes spleeterrt._kernels.<name>. The .pxd files
# hold `cdef inline` functions only, so the modules do not import one another at run time. GLUE: it has no loops over samples
# and is compiled for size, half of what -O3 makes of Cython's output.
#
# SKBUILD_SABI_VERSION (scikit-build-core, pyproject.toml): by Python's stable interface, for that version and all later.
if(SKBUILD_SABI_VERSION)
  set(stable_interface USE_SABI ${SKBUILD_SABI_VERSION})
endif()

# SPLEETERRT_ONE_BINARY: the code of all modules is in one library beside them, so that what they have in common is there
# once. A module is then an empty library that needs that one, where Python finds its entry, too.

# link_kernels(target parts libraries): what a module, or the library of all, is made of beside Cython's output.
function(link_kernels target parts libraries)
  use_core(${target} ${parts})
  target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE ${libraries} $<TARGET_NAME_IF_EXISTS:OpenMP::OpenMP_CXX> Threads::Threads
    portable)
  target_compile_options(${target} PRIVATE ${kernel_options})
endfunction()

# finish_kernels(target): how it is linked and installed.
function(finish_kernels target)
  if(UNIX AND NOT APPLE)
    # $ORIGIN: the library of all modules, the bundled OpenMP runtime. The others: <environment>/lib, where the mkl wheel
    # puts its libraries, seen from lib/pythonX.Y/site-packages/spleeterrt/_kernels (or lib64).
    set(rpath "$ORIGIN")
    if(blas_choice STREQUAL "mkl-shared")
      list(APPEND rpath "$ORIGIN/../../../.." "$ORIGIN/../../../../../lib")
    endif()
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "${rpath}" BUILD_WITH_INSTALL_RPATH ON)
    # Nothing but the modules' entries is exported: another MKL or C++ library in the same process stays untouched.
    set(exports ${PROJECT_SOURCE_DIR}/cmake/linux/python_module.map)
    target_link_options(${target} PRIVATE -Wl,--version-script=${exports} $<$<CONFIG:Release>:-Wl,-s>)
    set_target_properties(${target} PROPERTIES LINK_DEPENDS ${exports})
  endif()
  install(TARGETS ${target} DESTINATION spleeterrt/_kernels)
endfunction()

# add_kernel_library(): the library of all modules. (In the folder of Cython's commands, or CMake does not know their files.)
function(add_kernel_library)
  if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
    message(FATAL_ERROR "SPLEETERRT_ONE_BINARY is for Linux")
  endif()
  add_library(kernels SHARED)
  set_target_properties(kernels PROPERTIES OUTPUT_NAME spleeterrt_kernels)
  if(SKBUILD_SABI_VERSION)
    string(REGEX MATCH "[0-9]+$" minor ${SKBUILD_SABI_VERSION})
    math(EXPR limited "(3 << 24) + (${minor} << 16)" OUTPUT_FORMAT HEXADECIMAL)
    target_compile_definitions(kernels PRIVATE Py_LIMITED_API=${limited})
    target_link_libraries(kernels PRIVATE Python::SABIModule)
  else()
    target_link_libraries(kernels PRIVATE Python::Module)
  endif()
  finish_kernels(kernels)
endfunction()

function(add_kernel_module name)
  cmake_parse_arguments(arg "GLUE" "" "CORE;LIBRARIES" ${ARGN})
  set(source "${CMAKE_CURRENT_SOURCE_DIR}/${name}.pyx")
  set(generated "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  file(GLOB pxd CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.pxd")
  add_custom_command(
    OUTPUT "${generated}"
    COMMAND "${Python_EXECUTABLE}" -m cython -3 --cplus
      -X cdivision=True -X boundscheck=False -X wraparound=False -X initializedcheck=False -I "${PROJECT_SOURCE_DIR}/src"
      --module-name "spleeterrt._kernels.${name}" -o "${generated}" "${source}"
    DEPENDS "${source}" ${pxd}
    VERBATIM)
  if(arg_GLUE AND NOT SPLEETERRT_SANITIZE)
    set_source_files_properties("${generated}" PROPERTIES COMPILE_OPTIONS "${for_size}")
  endif()
  if(SPLEETERRT_ONE_BINARY)
    if(NOT TARGET kernels)
      add_kernel_library()
    endif()
    target_sources(kernels PRIVATE "${generated}")
    # Cython 3.3 gives this function external linkage in every module of the stable interface.
    set_source_files_properties("${generated}" PROPERTIES COMPILE_DEFINITIONS
      __Pyx_ApplySequenceOrMappingFlag=__Pyx_ApplySequenceOrMappingFlag_${name})
    link_kernels(kernels "${arg_CORE}" "${arg_LIBRARIES}")
    Python_add_library(${name} MODULE ${stable_interface} WITH_SOABI "${PROJECT_SOURCE_DIR}/cmake/linux/empty.c")
    target_link_libraries(${name} PRIVATE -Wl,--no-as-needed kernels)
  else()
    Python_add_library(${name} MODULE ${stable_interface} WITH_SOABI "${generated}")
    link_kernels(${name} "${arg_CORE}" "${arg_LIBRARIES}")
  endif()
  finish_kernels(${name})
endfunction()
