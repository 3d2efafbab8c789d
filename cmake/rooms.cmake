# What every room, test and program is built with.
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
# Linked in, programs start a third sooner: the loader has 7,000 symbols less to look up.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(Protobuf_USE_STATIC_LIBS ON)
endif()
find_package(Protobuf REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
set_property(TARGET PkgConfig::RE2 PROPERTY INTERFACE_COMPILE_OPTIONS "")  # its -pthread would part the room from the precompiled header
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LUA REQUIRED IMPORTED_TARGET lua5.4-c++)  # built as C++: its errors run destructors
pkg_check_modules(BROTLI REQUIRED IMPORTED_TARGET libbrotlienc libbrotlidec)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

add_library(seine_flags INTERFACE)
target_include_directories(seine_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(seine_flags INTERFACE -fstack-protector-strong -fstack-clash-protection -fcf-protection)
target_compile_definitions(seine_flags INTERFACE _GLIBCXX_ASSERTIONS SEINE_VERSION="${SEINE_VERSION}")
target_link_options(seine_flags INTERFACE -fuse-ld=mold -Wl,-z,relro,-z,now -Wl,--gc-sections)
if(SEINE_SANITIZE)
  target_compile_options(seine_flags INTERFACE -fsanitize=${SEINE_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(seine_flags INTERFACE -fsanitize=${SEINE_SANITIZE})
  # protobuf's headers would lay out messages otherwise than the library that Debian built without this sanitizer.
  if(SEINE_SANITIZE MATCHES thread)
    target_compile_options(seine_flags INTERFACE -U__SANITIZE_THREAD__)
  endif()
else()
  target_compile_definitions(seine_flags INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
endif()

# Warnings are ours to mend, not generated code's. They are errors where we develop (preset debug), not in builds
# whose optimiser or sanitizer makes the compiler guess differently, nor in a newcomer's.
option(SEINE_WERROR "treat warnings as errors" OFF)
add_library(seine_warnings INTERFACE)
target_compile_options(seine_warnings INTERFACE -Wall -Wextra -Wno-missing-field-initializers -Wno-unused-parameter
  $<$<BOOL:${SEINE_WERROR}>:-Werror>)

# One precompiled header for all rooms: the standard library and JSON, which
# cost most of a small file's compile time.
file(WRITE ${CMAKE_BINARY_DIR}/pch.cpp "")
add_library(seine_pch STATIC ${CMAKE_BINARY_DIR}/pch.cpp)
target_link_libraries(seine_pch PUBLIC seine_flags PRIVATE seine_warnings)
target_precompile_headers(seine_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)

function(seine_target target)
  target_link_libraries(${target} PRIVATE seine_warnings)
  target_precompile_headers(${target} REUSE_FROM seine_pch)
endfunction()

# seine_room(NAME [USES rooms] [API packages] [LIBS libraries]): every .cpp
# under src/NAME; its *_test.cpp become the test program NAME_test.
function(seine_room name)
  cmake_parse_arguments(R "" "" "USES;API;LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  set(links seine_flags ${R_LIBS})
  foreach(room ${R_USES})
    list(APPEND links seine_${room})
  endforeach()
  foreach(package ${R_API})
    list(APPEND links seine_api_${package})
  endforeach()
  if(sources)
    add_library(seine_${name} STATIC ${sources})
    target_link_libraries(seine_${name} PUBLIC ${links})
    seine_target(seine_${name})
  else()
    add_library(seine_${name} INTERFACE)
    target_link_libraries(seine_${name} INTERFACE ${links})
  endif()
  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE seine_${name} GTest::gmock GTest::gtest_main)
    seine_target(${name}_test)
    add_test(NAME ${name} COMMAND ${name}_test)
  endif()
endfunction()

# seine_program(NAME rooms...): src/main/NAME.cpp
function(seine_program name)
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/src/main/${name}.cpp)
    return()
  endif()
  add_executable(${name} src/main/${name}.cpp)
  foreach(room ${ARGN})
    target_link_libraries(${name} PRIVATE seine_${room})
  endforeach()
  seine_target(${name})
endfunction()
