# The core is made of parts: object libraries that know neither Python nor a BLAS nor OpenMP.

set(core_folder ${PROJECT_SOURCE_DIR}/src/_kernels/core)
set(extern_folder ${PROJECT_SOURCE_DIR}/src/_kernels/extern)

function(add_objects name)
  add_library(${name} OBJECT ${ARGN})
  if(WASI) # which has neither threads nor files: only what is used compiles
    set_property(TARGET ${name} PROPERTY EXCLUDE_FROM_ALL ON)
  endif()
  target_include_directories(${name} PRIVATE ${core_folder})
  target_include_directories(${name} SYSTEM PRIVATE ${extern_folder})
  target_compile_options(${name} PRIVATE ${kernel_options} ${warnings})
endfunction()

# add_core(name SOURCES sources PER_ISA sources): the part `name` (the target srt_<name>). PER_ISA: sources that are
# compiled once per instruction set; SRT_ISA names it and its namespace (core/isa.h).
function(add_core name)
  cmake_parse_arguments(arg "" "" "SOURCES;PER_ISA" ${ARGN})
  set(part srt_${name})
  add_objects(${part} ${arg_SOURCES})
  if(arg_PER_ISA)
    foreach(isa ${isas})
      if(NOT DEFINED name_${isa})
        set(name_${isa} ${isa})
      endif()
      add_objects(${part}_${isa} ${arg_PER_ISA})
      target_compile_definitions(${part}_${isa} PRIVATE SRT_ISA=${name_${isa}})
      target_compile_options(${part}_${isa} PRIVATE ${fuse_multiply_add} ${flags_${isa}})
    endforeach()
  endif()
endfunction()

# use_core(target part...): the parts' objects, for all sets in `isas`, in a library, module or program, with their
# headers.
function(use_core target)
  target_include_directories(${target} PRIVATE ${core_folder})
  foreach(part ${ARGN})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:srt_${part}>)
    foreach(isa ${isas})
      if(TARGET srt_${part}_${isa})
        target_sources(${target} PRIVATE $<TARGET_OBJECTS:srt_${part}_${isa}>)
      endif()
    endforeach()
  endforeach()
endfunction()
