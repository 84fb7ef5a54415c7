# One folder, one target.
#
#   galaxy_library(name SOURCES a.cc … DEPS other_folder … SYSTEM PkgConfig::X …)
#   galaxy_test(name SOURCES a_test.cc … DEPS …)     one test program a folder, one ctest entry
#   galaxy_fuzz(folder NAMES a b … DEPS …)           what a_fuzz.cc feeds, with the corpus in corpus/a/
#
# Warnings are errors in code of ours; generated code (proto/) opts out.

set(GALAXY_WARNINGS -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "Release")
  # g++ 12 at -O3 takes `"text" + std::string` for a copy onto itself (GCC bug 105651).
  list(APPEND GALAXY_WARNINGS -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # libstdc++ 12's stable_sort uses what libstdc++ 12 deprecates; g++ is silent in system headers.
  list(APPEND GALAXY_WARNINGS -Wno-deprecated-declarations)
endif()

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

# With GALAXY_FUZZ (clang) every name is a libFuzzer program of its own, a_fuzz. In all other builds they are parts of
# one program, fuzz_replay, which runs their corpora: fuzz/CMakeLists.txt. ROUNDS: random edits of the corpus that it
# tries as well, for each name; fewer where an input takes long.
function(galaxy_fuzz folder)
  cmake_parse_arguments(ARG "" "ROUNDS" "NAMES;DEPS;SYSTEM" ${ARGN})
  if(NOT ARG_ROUNDS)
    set(ARG_ROUNDS 10000)
  endif()
  set(sources)
  foreach(name ${ARG_NAMES})
    list(APPEND sources ${name}_fuzz.cc)
    set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
    set_property(GLOBAL APPEND_STRING PROPERTY GALAXY_FUZZ_TABLE "GALAXY_FUZZ_TARGET(${name}, \"${corpus}\", ${ARG_ROUNDS})\n")
    if(GALAXY_FUZZ)
      add_executable(${name}_fuzz ${name}_fuzz.cc)
      target_compile_options(${name}_fuzz PRIVATE ${GALAXY_WARNINGS} -fsanitize=fuzzer)
      target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
      target_link_libraries(${name}_fuzz PRIVATE galaxy_${folder} ${ARG_SYSTEM})
      foreach(dep ${ARG_DEPS})
        target_link_libraries(${name}_fuzz PRIVATE galaxy_${dep})
      endforeach()
      set_property(GLOBAL APPEND PROPERTY GALAXY_FUZZ_PROGRAMS ${name}_fuzz)
    else()
      set_source_files_properties(${name}_fuzz.cc PROPERTIES COMPILE_DEFINITIONS LLVMFuzzerTestOneInput=Fuzz_${name})
    endif()
  endforeach()
  if(GALAXY_TESTS AND NOT GALAXY_FUZZ)
    list(GET ARG_NAMES 0 first)
    set(part galaxy_fuzz_${folder}_${first})  # a folder may call twice
    add_library(${part} OBJECT ${sources})
    target_compile_options(${part} PRIVATE ${GALAXY_WARNINGS})
    target_link_libraries(${part} PUBLIC galaxy_${folder} ${ARG_SYSTEM})
    foreach(dep ${ARG_DEPS})
      target_link_libraries(${part} PUBLIC galaxy_${dep})
    endforeach()
    set_property(GLOBAL APPEND PROPERTY GALAXY_FUZZ_PARTS ${part})
  endif()
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
