# need_headers(VARIABLE FILE PACKAGE WHAT [WITHOUT how to build without them] HINTS...): the folder that FILE is included
# from, in the cache variable VARIABLE, or an error that says what to install.
function(need_headers variable file package what)
  cmake_parse_arguments(arg "" "WITHOUT" "" ${ARGN})
  # (Headers alone: those of this machine serve a build for another system as well.)
  find_path(${variable} ${file} HINTS ${arg_UNPARSED_ARGUMENTS} PATHS /usr/include /usr/local/include
    DOC "The folder that holds ${file}" NO_CMAKE_FIND_ROOT_PATH)
  if(NOT ${variable})
    if(NOT arg_WITHOUT)
      set(arg_WITHOUT "leave its format out of -DSPLEETERRT_PLUGIN_FORMATS=\"${SPLEETERRT_PLUGIN_FORMATS}\"")
    endif()
    message(FATAL_ERROR "The plugin needs ${what}: the file ${file}.\n"
      "Debian and Ubuntu: apt-get install ${package} (all that a plugin takes: dpf-source libstb-dev libx11-dev lv2-dev). "
      "Elsewhere: name the folder that holds it by -D${variable}=FOLDER, or ${arg_WITHOUT}.")
  endif()
endfunction()

# use_headers(TARGET FOLDER): a system's, behind the compiler's own: a build for another system finds them among the
# headers of the machine that builds.
function(use_headers target folder)
  target_compile_options(${target} PRIVATE "SHELL:-idirafter \"${folder}\"")
endfunction()
