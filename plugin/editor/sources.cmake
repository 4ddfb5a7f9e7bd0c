set(editor_sources editor/none.cpp)
set(editor_libraries)
