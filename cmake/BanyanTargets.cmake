# SPDX-License-Identifier: Apache-2.0
# Helpers that give every target of the project the same flags.

# banyan_harden(target): flags that cost next to nothing and turn many memory errors into a clean end. Sanitizers bring
# their own checks and do not mix with _FORTIFY_SOURCE.
function(banyan_harden target)
  target_compile_options(${target} PRIVATE -fstack-protector-strong -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
    target_compile_options(${target} PRIVATE -fcf-protection)
  endif()
  target_compile_definitions(${target} PRIVATE $<$<CONFIG:Release,RelWithDebInfo>:_FORTIFY_SOURCE=2>
                                               $<$<NOT:$<CONFIG:Release>>:_GLIBCXX_ASSERTIONS>)
  target_link_options(${target} PRIVATE -Wl,-z,relro,-z,now,-z,noexecstack)
endfunction()

# banyan_target_defaults(target): warnings, sanitizers or hardening, coverage, include paths.
function(banyan_target_defaults target)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion)
  if(BANYAN_WARNINGS_AS_ERRORS)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(BANYAN_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${BANYAN_SANITIZE} -fno-sanitize-recover=all
                                             -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${BANYAN_SANITIZE})
  elseif(BANYAN_HARDENING)
    banyan_harden(${target})
  endif()
  if(BANYAN_COVERAGE)
    target_compile_options(${target} PRIVATE --coverage)
    target_link_options(${target} PRIVATE --coverage)
  endif()
endfunction()

# banyan_library(name SOURCES ... DEPENDS ... LINK ...): one folder of src/ as the target banyan_<name>.
# DEPENDS are other folders, LINK are outside libraries.
function(banyan_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;LINK" ${ARGN})
  add_library(banyan_${name} STATIC ${arg_SOURCES})
  banyan_target_defaults(banyan_${name})
  target_include_directories(banyan_${name} PUBLIC "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  foreach(dependency IN LISTS arg_DEPENDS)
    target_link_libraries(banyan_${name} PUBLIC banyan_${dependency})
  endforeach()
  target_link_libraries(banyan_${name} PUBLIC ${arg_LINK})
  if(BANYAN_PRECOMPILE_HEADERS AND TARGET banyan_base)
    if(name STREQUAL "base")
      target_precompile_headers(banyan_base PRIVATE <fmt/format.h> <algorithm> <array> <chrono> <map> <memory> <optional>
                                                    <set> <span> <string> <vector>)
    else()
      target_precompile_headers(banyan_${name} REUSE_FROM banyan_base)
    endif()
  endif()
endfunction()

# banyan_test_headers(): a program that owns the precompiled headers of all tests.
function(banyan_test_headers)
  file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/test_headers.cpp" "int main() {}\n")
  add_executable(banyan_test_headers EXCLUDE_FROM_ALL "${CMAKE_CURRENT_BINARY_DIR}/test_headers.cpp")
  banyan_target_defaults(banyan_test_headers)
  banyan_quick_compile(banyan_test_headers)
  target_link_libraries(banyan_test_headers PRIVATE GTest::gtest GTest::gmock)
  # fmt is not among them, because not all tests have its definition FMT_SHARED.
  target_precompile_headers(banyan_test_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h> <rapidcheck.h> <algorithm>
                                                        <chrono> <functional> <map> <memory> <string> <thread> <vector>)
endfunction()

# banyan_quick_compile(target): no optimisation, where the compiler takes longer than the tests' own code.
function(banyan_quick_compile target)
  target_compile_options(${target} PRIVATE -O0 -U_FORTIFY_SOURCE)
endfunction()

# banyan_test(name SOURCES ... DEPENDS ... LINK ... [LABELS ...] [TIMEOUT s] [ARGS ...]): a GoogleTest program.
function(banyan_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;DEPENDS;LINK;LABELS;ARGS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(BANYAN_SANITIZE)  # several times slower, and beside compilers
    math(EXPR arg_TIMEOUT "4 * ${arg_TIMEOUT}")
  endif()
  add_executable(${name} ${arg_SOURCES})
  banyan_target_defaults(${name})
  banyan_quick_compile(${name})
  target_precompile_headers(${name} REUSE_FROM banyan_test_headers)
  foreach(dependency IN LISTS arg_DEPENDS)
    target_link_libraries(${name} PRIVATE banyan_${dependency})
  endforeach()
  target_link_libraries(${name} PRIVATE ${arg_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} COST ${arg_TIMEOUT})  # the longest start first
  if(arg_LABELS)
    set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}")
  endif()
endfunction()

# banyan_program(name SOURCES ... LINK ...): a tool or benchmark on the public API.
function(banyan_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  banyan_target_defaults(${name})
  target_link_libraries(${name} PRIVATE banyan Boost::program_options ${arg_LINK})
  set_target_properties(${name} PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
