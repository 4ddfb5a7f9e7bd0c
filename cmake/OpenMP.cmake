# OpenMP for the Python modules, and GCC's runtime beside them: machines without a compiler often lack libgomp.so.1.

find_package(OpenMP REQUIRED COMPONENTS C CXX)

if(SPLEETERRT_BUNDLE_OPENMP AND CMAKE_C_COMPILER_ID STREQUAL "GNU" AND UNIX AND NOT APPLE)
  execute_process(COMMAND "${CMAKE_C_COMPILER}" -print-file-name=libgomp.so.1
    OUTPUT_VARIABLE libgomp OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(IS_ABSOLUTE "${libgomp}")
    file(REAL_PATH "${libgomp}" libgomp)
    install(FILES "${libgomp}" DESTINATION spleeterrt/_kernels RENAME libgomp.so.1)
    contains_gcc()
  endif()
endif()
