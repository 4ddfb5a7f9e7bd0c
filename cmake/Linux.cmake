# The target `portable`, which what is linked for others' machines links to. SPLEETERRT_GLIBC=2.28: it runs from that
# glibc on, with GCC 8's C++ library or a later one; functions that came after it are linked statically. The compiler and
# its optimisations are the same as everywhere.

add_library(portable INTERFACE)
if(SPLEETERRT_GLIBC)
  if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    message(FATAL_ERROR "SPLEETERRT_GLIBC is for GCC on Linux")
  endif()
  set(older_libraries ${PROJECT_BINARY_DIR}/glibc-${SPLEETERRT_GLIBC})
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
  execute_process(COMMAND "${Python_EXECUTABLE}" ${CMAKE_CURRENT_LIST_DIR}/linux/older_libraries.py ${older_libraries}
    --compiler "${CMAKE_C_COMPILER}" --readelf "${CMAKE_READELF}" --version ${SPLEETERRT_GLIBC} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "SPLEETERRT_GLIBC=${SPLEETERRT_GLIBC}: no libraries to link with")
  endif()
  add_library(glibc_compat OBJECT ${CMAKE_CURRENT_LIST_DIR}/linux/glibc_compat.c)
  contains_gcc()
  target_sources(portable INTERFACE $<TARGET_OBJECTS:glibc_compat>)
  target_link_options(portable INTERFACE -L${older_libraries})
endif()
