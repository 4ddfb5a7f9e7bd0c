# The libraries for C, shared (spleeterrt::spleeterrt) and, unless SPLEETERRT_STATIC_LIBRARY is OFF, static
# (spleeterrt::static), and their installation: header, CMake package, pkg-config file. With the Python modules they go into the package, spleeterrt/_native, for programs
# that embed the engine (src/spleeterrt/embedding.py finds them there).

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(abi 1) # of spleeterrt.h: another number if a program that was compiled before has to be compiled again

set(c_libraries spleeterrt)
add_library(spleeterrt SHARED ${c_interface})
add_library(spleeterrt::spleeterrt ALIAS spleeterrt)
if(SPLEETERRT_STATIC_LIBRARY)
  list(APPEND c_libraries spleeterrt_static)
  add_library(spleeterrt_static STATIC ${c_interface})
  add_library(spleeterrt::static ALIAS spleeterrt_static)
endif()
foreach(library ${c_libraries})
  use_core(${library} ${c_parts})
  target_include_directories(${library} INTERFACE $<BUILD_INTERFACE:${core_folder}/c>)
  target_compile_definitions(${library} PRIVATE SRT_VERSION="${full_version}")
  target_compile_options(${library} PRIVATE ${kernel_options} ${warnings})
  target_link_libraries(${library} PRIVATE Threads::Threads)
endforeach()
target_compile_definitions(spleeterrt PRIVATE SRT_BUILD)
target_link_libraries(spleeterrt PRIVATE portable)
set_target_properties(spleeterrt PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${abi})
set(static_stem spleeterrt)
if(MSVC) # `spleeterrt.lib` belongs to the DLL
  set(static_stem spleeterrt_static)
endif()
if(SPLEETERRT_STATIC_LIBRARY)
  target_compile_definitions(spleeterrt_static PUBLIC SRT_STATIC) # the functions stay inside what it is linked into
  set_target_properties(spleeterrt_static PROPERTIES EXPORT_NAME static OUTPUT_NAME ${static_stem})
endif()

if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT SPLEETERRT_SANITIZE)
  # Nothing but the interface is exported: not the templates of the C++ library either.
  target_link_options(spleeterrt PRIVATE -Wl,-z,defs -Wl,--version-script=${core_folder}/c/spleeterrt.map
    $<$<CONFIG:Release>:-Wl,-s>)
  set_target_properties(spleeterrt PROPERTIES LINK_DEPENDS ${core_folder}/c/spleeterrt.map)
endif()

if(MINGW)
  target_link_options(spleeterrt PRIVATE -static $<$<CONFIG:Release>:-Wl,-s>) # it needs no DLL of the compiler's
endif()

if(NOT SPLEETERRT_PYTHON AND NOT embedded)
  add_executable(separate_wav examples/c/separate_wav.c)
  target_compile_options(separate_wav PRIVATE ${warnings})
  target_link_libraries(separate_wav PRIVATE spleeterrt $<$<PLATFORM_ID:Windows>:shell32>)
endif()

# --- installation -------------------------------------------------------------------------

if(embedded)
  return()
endif()

set(include_folder ${CMAKE_INSTALL_INCLUDEDIR})
set(library_folder ${CMAKE_INSTALL_LIBDIR})
set(binary_folder ${CMAKE_INSTALL_BINDIR})
if(SPLEETERRT_PYTHON)
  set(include_folder spleeterrt/_native/include)
  set(library_folder spleeterrt/_native/lib)
  set(binary_folder spleeterrt/_native/bin)
  # Wheels hold no symbolic links: the library bears the name that programs look for at run time, and a line for the
  # linker has the name that this one looks for.
  set(namelink NAMELINK_SKIP)
  if(UNIX AND NOT APPLE)
    set_target_properties(spleeterrt PROPERTIES VERSION ${abi})
    file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/namelink/libspleeterrt.so
      CONTENT "/* GNU ld script */\nINPUT($<TARGET_SONAME_FILE_NAME:spleeterrt>)\n")
    install(FILES ${PROJECT_BINARY_DIR}/namelink/libspleeterrt.so DESTINATION ${library_folder})
  elseif(APPLE)
    set_property(TARGET spleeterrt PROPERTY VERSION)
    set_property(TARGET spleeterrt PROPERTY SOVERSION)
  endif()
endif()
set(package_folder ${library_folder}/cmake/spleeterrt)

# What a program in C has to link beside the static library.
set(static_libraries ${CMAKE_CXX_IMPLICIT_LINK_LIBRARIES})
list(FILTER static_libraries INCLUDE REGEX "^(stdc\\+\\+|c\\+\\+|m|pthread)$")
list(REMOVE_DUPLICATES static_libraries)

install(FILES ${core_folder}/c/spleeterrt.h DESTINATION ${include_folder})
install(TARGETS ${c_libraries} EXPORT spleeterrt-targets
  LIBRARY DESTINATION ${library_folder} ${namelink} ARCHIVE DESTINATION ${library_folder}
  RUNTIME DESTINATION ${binary_folder} INCLUDES DESTINATION ${include_folder})
install(EXPORT spleeterrt-targets NAMESPACE spleeterrt:: DESTINATION ${package_folder})
configure_package_config_file(cmake/spleeterrt-config.cmake.in ${PROJECT_BINARY_DIR}/package/spleeterrt-config.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/spleeterrt-config-version.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/spleeterrt-config.cmake
  ${PROJECT_BINARY_DIR}/package/spleeterrt-config-version.cmake DESTINATION ${package_folder})

# pkg-config's file finds the others from where it lies, wherever all were moved to.
get_filename_component(absolute_library "${library_folder}" ABSOLUTE BASE_DIR ${CMAKE_INSTALL_PREFIX})
get_filename_component(absolute_include "${include_folder}" ABSOLUTE BASE_DIR ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH include_from_pc "${absolute_library}/pkgconfig" "${absolute_include}")
set(static_name ${CMAKE_STATIC_LIBRARY_PREFIX}${static_stem}${CMAKE_STATIC_LIBRARY_SUFFIX})
string(REPLACE ";" " -l" private_libraries "-l${static_libraries}")
set(static_variable "")
if(SPLEETERRT_STATIC_LIBRARY)
  set(static_variable "static=\${libdir}/${static_name} ${private_libraries}")
endif()
configure_file(cmake/spleeterrt.pc.in ${PROJECT_BINARY_DIR}/package/spleeterrt.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/spleeterrt.pc DESTINATION ${library_folder}/pkgconfig)
