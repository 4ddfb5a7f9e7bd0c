# Models that the bundles ship, in a folder of each bundle. The starter model of the Python package stores its weights
# as int8, and holds the 2 and the 4 stems.
set(SPLEETERRT_PLUGIN_MODELS ${PROJECT_SOURCE_DIR}/src/spleeterrt/models/starter.safetensors CACHE STRING
  "Model files to put into the bundles; empty: none")
define_property(GLOBAL PROPERTY PLUGIN_MODEL_FOLDERS BRIEF_DOCS "Where the bundles keep models"
  FULL_DOCS "Where the bundles keep models")

# Each format names the folder beside its binary that models are searched in.
function(add_model_folder folder)
  set_property(GLOBAL APPEND PROPERTY PLUGIN_MODEL_FOLDERS ${folder})
endfunction()

function(ship_models)
  get_property(folders GLOBAL PROPERTY PLUGIN_MODEL_FOLDERS)
  set(copies)
  foreach(folder ${folders})
    foreach(file ${SPLEETERRT_PLUGIN_MODELS})
      get_filename_component(name ${file} NAME)
      add_custom_command(OUTPUT ${folder}/${name} DEPENDS ${file} VERBATIM
        COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
        COMMAND ${CMAKE_COMMAND} -E copy ${file} ${folder}/${name})
      list(APPEND copies ${folder}/${name})
    endforeach()
  endforeach()
  add_custom_target(plugin_models ALL DEPENDS ${copies})
endfunction()
