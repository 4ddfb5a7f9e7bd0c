# The licences of what the binaries contain, known where it is linked.
#
# contains(name expression files...): `name` is in the binaries, under `expression` (SPDX). In wheels the files go into
# the metadata's licences, and the build backend (cmake/backend) adds the expression to the package's own; elsewhere beside the modules.
set(licence_folder spleeterrt/_kernels/licenses)
if(SKBUILD_METADATA_DIR)
  set(licence_folder ${SKBUILD_METADATA_DIR}/licenses)
endif()

function(contains name expression)
  file(WRITE ${PROJECT_BINARY_DIR}/licences/${name}/SPDX "${expression}\n")
  install(FILES ${ARGN} ${PROJECT_BINARY_DIR}/licences/${name}/SPDX DESTINATION ${licence_folder}/${name})
endfunction()

function(contains_gcc)
  set(texts ${PROJECT_SOURCE_DIR}/src/_kernels/licenses/gcc)
  contains(gcc "GPL-3.0-or-later WITH GCC-exception-3.1" ${texts}/README.txt ${texts}/GPL-3.txt
    ${texts}/GCC-RUNTIME-LIBRARY-EXCEPTION.txt)
endfunction()
