# The core is made of parts: object libraries that know neither Python nor a BLAS nor OpenMP.

set(core_folder ${PROJECT_SOURCE_DIR}/src/_kernels/core)
set(extern_folder ${PROJECT_SOURCE_DIR}/src/_kernels/extern)

function(add_objects name)
  add_library(${name} OBJECT ${ARGN})
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
  set(objects ${part})
  if(arg_PER_ISA)
    foreach(isa ${isas})
      add_objects(${part}_${isa} ${arg_PER_ISA})
      target_compile_definitions(${part}_${isa} PRIVATE SRT_ISA=${isa})
      target_compile_options(${part}_${isa} PRIVATE $<$<NOT:$<CXX_COMPILER_ID:MSVC>>:-ffp-contract=fast> ${flags_${isa}})
      list(APPEND objects ${part}_${isa})
    endforeach()
  endif()
  set_property(TARGET ${part} PROPERTY SRT_OBJECTS ${objects})
endfunction()

# use_core(target part...): the parts' objects in a library, module or program, with their headers.
function(use_core target)
  target_include_directories(${target} PRIVATE ${core_folder})
  foreach(part ${ARGN})
    get_property(objects TARGET srt_${part} PROPERTY SRT_OBJECTS)
    foreach(object ${objects})
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${object}>)
    endforeach()
  endforeach()
endfunction()
