# seine_embed(TARGET NAMESPACE FILES...): the files' texts as string literals,
# in a header "embedded/NAMESPACE.h": a table of name and text.
function(seine_embed target namespace)
  set(body "// Made from the files named below.\n#pragma once\n\n#include <string_view>\n\nnamespace embedded::${namespace} {\n\nstruct File {\n  std::string_view name;\n  std::string_view text;\n};\n\ninline constexpr File kFiles[] = {\n")
  foreach(file ${ARGN})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} text)
    get_filename_component(name ${file} NAME)
    string(APPEND body "    {\"${name}\", R\"embedded(${text})embedded\"},\n")
  endforeach()
  string(APPEND body "};\n\n}  // namespace embedded::${namespace}\n")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/embedded/${namespace}.h CONTENT "@body@" @ONLY)
  target_include_directories(${target} PRIVATE ${CMAKE_BINARY_DIR})
endfunction()
