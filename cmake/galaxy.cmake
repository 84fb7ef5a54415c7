# One folder, one target.
#
#   galaxy_library(name SOURCES a.cc … DEPS other_folder … SYSTEM PkgConfig::X …)
#   galaxy_test(name SOURCES a_test.cc … DEPS …)     one test program a folder, one ctest entry
#
# Warnings are errors in code of ours; generated code (proto/) opts out.

set(GALAXY_WARNINGS -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    -Wno-missing-field-initializers)

function(galaxy_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;SYSTEM" ${ARGN})
  add_library(galaxy_${name} STATIC ${ARG_SOURCES})
  target_include_directories(galaxy_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(galaxy_${name} PRIVATE ${GALAXY_WARNINGS})
  foreach(dep ${ARG_DEPS})
    target_link_libraries(galaxy_${name} PUBLIC galaxy_${dep})
  endforeach()
  target_link_libraries(galaxy_${name} PUBLIC ${ARG_SYSTEM} Threads::Threads)
endfunction()

function(galaxy_test name)
  if(NOT GALAXY_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;SYSTEM" ${ARGN})
  find_package(GTest REQUIRED)
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE ${GALAXY_WARNINGS})
  target_compile_definitions(${name} PRIVATE GALAXY_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  foreach(dep ${ARG_DEPS})
    target_link_libraries(${name} PRIVATE galaxy_${dep})
  endforeach()
  target_link_libraries(${name} PRIVATE ${ARG_SYSTEM} GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS unit)
endfunction()

#   galaxy_script_test(name LABELS interop TIMEOUT 300 COMMAND /usr/bin/python3 … )
# A test that drives the built program from outside. GALAXY_PUSH names the binary in its environment. Debian 12
# has Node 18, where WebCrypto is behind a flag; Node 20 takes the flag, too.
function(galaxy_script_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;COMMAND;ENVIRONMENT" ${ARGN})
  add_test(NAME ${name} COMMAND ${ARG_COMMAND} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
    ENVIRONMENT "GALAXY_PUSH=${CMAKE_BINARY_DIR}/galaxy-push;GALAXY_BUILD=${CMAKE_BINARY_DIR};NODE_OPTIONS=--experimental-global-webcrypto;${ARG_ENVIRONMENT}")
endfunction()
