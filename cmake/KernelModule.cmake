# add_kernel_module(name CORE parts LIBRARIES libraries): <name>.pyx becomes spleeterrt._kernels.<name>. The .pxd files
# hold `cdef inline` functions only, so the modules do not import one another at run time.
#
# SKBUILD_SABI_VERSION (scikit-build-core, pyproject.toml): by Python's stable interface, for that version and all later.
if(SKBUILD_SABI_VERSION)
  set(stable_interface USE_SABI ${SKBUILD_SABI_VERSION})
endif()

function(add_kernel_module name)
  cmake_parse_arguments(arg "" "" "CORE;LIBRARIES" ${ARGN})
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
  Python_add_library(${name} MODULE ${stable_interface} WITH_SOABI "${generated}")
  use_core(${name} ${arg_CORE})
  target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} $<TARGET_NAME_IF_EXISTS:OpenMP::OpenMP_CXX> Threads::Threads
    portable)
  target_compile_options(${name} PRIVATE ${kernel_options})
  if(UNIX AND NOT APPLE)
    # $ORIGIN: the bundled OpenMP runtime. The others: <environment>/lib, where the mkl wheel puts its libraries, seen
    # from lib/pythonX.Y/site-packages/spleeterrt/_kernels (or lib64).
    set(rpath "$ORIGIN")
    if(blas_choice STREQUAL "mkl-shared")
      list(APPEND rpath "$ORIGIN/../../../.." "$ORIGIN/../../../../../lib")
    endif()
    set_target_properties(${name} PROPERTIES INSTALL_RPATH "${rpath}" BUILD_WITH_INSTALL_RPATH ON)
    # Nothing but the module's entry is exported: another MKL or C++ library in the same process stays untouched.
    set(exports ${PROJECT_SOURCE_DIR}/cmake/linux/python_module.map)
    target_link_options(${name} PRIVATE -Wl,--version-script=${exports} $<$<CONFIG:Release>:-Wl,-s>)
    set_target_properties(${name} PROPERTIES LINK_DEPENDS ${exports})
  endif()
  install(TARGETS ${name} DESTINATION spleeterrt/_kernels)
endfunction()
