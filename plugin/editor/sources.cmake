# The editor: drawn in memory (panel and controls), shown by a window of the system that is found at run time. It links
# with nothing but libdl where that is a library of its own.
include(${CMAKE_CURRENT_LIST_DIR}/embed.cmake) # embed_files

option(SPLEETERRT_PLUGIN_EDITOR "Build the plugin's editor; OFF: hosts show the parameters themselves" ON)

set(editor_sources editor/none.cpp)
set(editor_libraries)
if(SPLEETERRT_PLUGIN_EDITOR)
  set(without_editor WITHOUT "build without the editor: -DSPLEETERRT_PLUGIN_EDITOR=OFF")
  need_headers(SPLEETERRT_STB_HEADERS stb_truetype.h libstb-dev "a header that draws letters" ${without_editor}
    /usr/include/stb /usr/local/include/stb /usr/share/dpf/dgl/src/nanovg)
  set(typefaces ${CMAKE_CURRENT_BINARY_DIR}/typefaces.cpp)
  embed_files(${typefaces} spleeterrt::editor::typefaces
    regular ${CMAKE_CURRENT_LIST_DIR}/typefaces/Roboto-Regular.ttf
    medium ${CMAKE_CURRENT_LIST_DIR}/typefaces/Roboto-Medium.ttf)
  set(editor_sources editor/canvas.cpp editor/control.cpp editor/fader.cpp editor/font.cpp editor/panel.cpp
    editor/panel_input.cpp editor/parts.cpp editor/scales.cpp editor/view.cpp ${typefaces})
  if(WIN32)
    list(APPEND editor_sources editor/window_win32.cpp)
  elseif(APPLE)
    list(APPEND editor_sources editor/window_none.cpp)
  else()
    need_headers(SPLEETERRT_X11_HEADERS X11/Xlib.h libx11-dev "the headers of X11 (the library is found at run time)"
      ${without_editor})
    list(APPEND editor_sources editor/window_x11.cpp)
    set(editor_libraries ${CMAKE_DL_LIBS})
  endif()
  set_source_files_properties(editor/font.cpp PROPERTIES COMPILE_OPTIONS "-isystem;${SPLEETERRT_STB_HEADERS}")
  if(SPLEETERRT_X11_HEADERS)
    # As a system's: an aarch64 build finds them among the headers of the machine that builds.
    set_source_files_properties(editor/window_x11.cpp PROPERTIES COMPILE_OPTIONS "-idirafter;${SPLEETERRT_X11_HEADERS}")
  endif()
endif()
