# The target plugin-zip: what a musician gets, as one file in the build folder.
if(NOT SPLEETERRT_PLUGIN_SYSTEM)
  string(TOLOWER "${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}" SPLEETERRT_PLUGIN_SYSTEM)
  string(REPLACE "amd64" "x86_64" SPLEETERRT_PLUGIN_SYSTEM "${SPLEETERRT_PLUGIN_SYSTEM}")
  string(REPLACE "darwin" "macos" SPLEETERRT_PLUGIN_SYSTEM "${SPLEETERRT_PLUGIN_SYSTEM}")
endif()

function(add_package_target) # behind all formats
  set(formats)
  foreach(format ${SPLEETERRT_PLUGIN_FORMATS})
    list(APPEND formats plugin_${format})
  endforeach()
  add_custom_target(plugin-zip VERBATIM
    COMMAND ${CMAKE_COMMAND} -D BUNDLES=${bundles} -D PROJECT=${PROJECT_SOURCE_DIR} -D VERSION=${full_version}
      -D SYSTEM=${SPLEETERRT_PLUGIN_SYSTEM} -D OUT=${PROJECT_BINARY_DIR} -P ${CMAKE_CURRENT_SOURCE_DIR}/package/zip.cmake)
  add_dependencies(plugin-zip plugin_models ${formats})
endfunction()
