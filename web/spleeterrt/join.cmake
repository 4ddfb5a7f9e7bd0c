# Joins modules into one file, as npm and pages get it:
#
#   cmake -DPARTS="a.js;b.js" -DRESULT=out.js [-DCLASSIC=ON] -P join.cmake
#
# Each part comes after those that it imports; no two may declare the same name at their top. What the last one exports
# is exported. CLASSIC: the result exports nothing and runs as a module or as a classic script.
set(text "")
foreach(part IN LISTS PARTS)
  file(READ "${part}" content)
  string(REGEX REPLACE "(^|\n)import {[^}]*} from '[^']*';" "\\1" content "${content}")
  string(REGEX REPLACE "\n\n\n+" "\n\n" content "${content}")
  string(REGEX REPLACE "(^|\n)export (async |function|class |const )" "\\1\\2" content "${content}")
  string(REGEX REPLACE "(^|\n)export ({[^}]*}) from '[^']*';" "\\1export \\2;" content "${content}")
  string(APPEND text "${content}\n")
endforeach()
if(CLASSIC)
  set(text "(() => {\n'use strict';\n${text}})();\n")
endif()
file(WRITE "${RESULT}" "${text}")
