# need_headers(VARIABLE FILE PACKAGE WHAT HINTS...): the folder that FILE is included from, in the cache variable
# VARIABLE, or an error that says what to install.
function(need_headers variable file package what)
  find_path(${variable} ${file} HINTS ${ARGN} DOC "The folder that holds ${file}" NO_CMAKE_FIND_ROOT_PATH)
  if(NOT ${variable})
    message(FATAL_ERROR "The plugin needs ${what}: the file ${file}.\n"
      "Debian and Ubuntu: apt-get install ${package}. Elsewhere: name the folder that holds it by -D${variable}=FOLDER, "
      "or leave its format out of -DSPLEETERRT_PLUGIN_FORMATS=\"${SPLEETERRT_PLUGIN_FORMATS}\".")
  endif()
endfunction()
