# Puts a site together: the page, and the package's module and WebAssembly beside it.
#
#   cmake -DPAGE=web/page -DPACKAGE=build/web/dist/spleeterrt -DSITE=build/web/dist/site -P web/page/site.cmake
#
# The service worker gets the list of files that it keeps, and a version that changes with any of them.

foreach(place PAGE PACKAGE SITE)
  get_filename_component(${place} "${${place}}" ABSOLUTE)
endforeach()
file(GLOB_RECURSE parts RELATIVE "${PAGE}" "${PAGE}/app/*")
list(APPEND parts index.html manifest.webmanifest settings.json)
file(GLOB package_parts RELATIVE "${PACKAGE}" "${PACKAGE}/*.js" "${PACKAGE}/*.wasm")

file(REMOVE_RECURSE "${SITE}")
foreach(name IN LISTS parts)
  configure_file("${PAGE}/${name}" "${SITE}/${name}" COPYONLY)
endforeach()
foreach(name IN LISTS package_parts)
  configure_file("${PACKAGE}/${name}" "${SITE}/${name}" COPYONLY)
endforeach()
foreach(name LICENSE NOTICES.md licenses/pocketfft.md licenses/picojson.txt)
  if(EXISTS "${PACKAGE}/${name}")
    configure_file("${PACKAGE}/${name}" "${SITE}/${name}" COPYONLY)
  endif()
endforeach()

set(files ${parts} ${package_parts})
list(REMOVE_ITEM files index.html settings.json) # "./" is the page; settings are kept by themselves
list(SORT files)
set(digests "")
foreach(name IN LISTS files ITEMS index.html)
  file(SHA256 "${SITE}/${name}" digest)
  string(APPEND digests "${name} ${digest}\n")
endforeach()
file(SHA256 "${PAGE}/sw.js" digest)
string(SHA256 version "${digests}${digest}")
string(SUBSTRING "${version}" 0 12 SITE_VERSION)
list(TRANSFORM files PREPEND "'")
list(TRANSFORM files APPEND "'")
list(JOIN files ", " joined)
set(SITE_FILES "'./', ${joined}")
configure_file("${PAGE}/sw.js" "${SITE}/sw.js" @ONLY)
