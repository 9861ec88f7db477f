# bsq_plain: the flags that every target shares, without libtorch itself; those that say which C++ library it was built with
# stay, so that all parts go together.
add_library(bsq_plain INTERFACE)
target_include_directories(bsq_plain INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${BSQ_INSTALL_INCLUDEDIR}>)
target_link_libraries(bsq_plain INTERFACE Threads::Threads)
separate_arguments(BSQ_TORCH_FLAGS UNIX_COMMAND "${TORCH_CXX_FLAGS}")
target_compile_options(bsq_plain INTERFACE
  "$<BUILD_INTERFACE:-Wall;-Wextra;-fopenmp-simd;-fno-math-errno;-fno-trapping-math;${BSQ_TORCH_FLAGS}>")
if(BSQ_SANITIZE)
  target_compile_options(bsq_plain INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer)
  target_link_options(bsq_plain INTERFACE -fsanitize=address,undefined)
endif()
if(BSQ_SANITIZE_THREADS)
  target_compile_options(bsq_plain INTERFACE -fsanitize=thread)
  target_link_options(bsq_plain INTERFACE -fsanitize=thread)
endif()
if(BSQ_FUZZ)
  target_compile_options(bsq_plain INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer)
  target_link_options(bsq_plain INTERFACE -fsanitize=address,undefined)
endif()

# bsq_common: the same with libtorch and its precompiled header. Installed, it stands for what bsqConfig.cmake finds there,
# so that no path of this machine gets into the package.
add_library(bsq_common INTERFACE)
target_include_directories(bsq_common SYSTEM INTERFACE "$<BUILD_INTERFACE:${TORCH_INCLUDE_DIRS}>")
target_link_libraries(bsq_common INTERFACE
  bsq_plain "$<BUILD_INTERFACE:${TORCH_LIBRARIES}>" $<INSTALL_INTERFACE:bsq::torch>)
target_link_options(bsq_common INTERFACE "$<BUILD_INTERFACE:${BSQ_TORCH_LINK_OPTIONS}>")

file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch/empty.cpp CONTENT "\n")  # left alone where it is there
# For ccache.
set(BSQ_PCH_FLAGS $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
# gcc collects its own garbage above 128 MB, which libtorch's headers alone exceed: a tenth of the time.
list(APPEND BSQ_PCH_FLAGS "$<$<CXX_COMPILER_ID:GNU>:SHELL:--param ggc-min-heapsize=1000000>")
# Command lines and tests wait for what they call. They are compiled with less optimization, or none, in less than half the
# time.
set(BSQ_LIGHT_FLAGS $<$<CONFIG:Release>:-O1>)
set(BSQ_TEST_FLAGS $<$<CONFIG:Release>:-O0>)

# bsq_header(NAME [FLAGS flag...] [ALSO header...] [LINK target...]): the headers of libtorch's tensors, and these others,
# precompiled with these flags, as the targets that use them have them. torch/torch.h, with all modules and optimizers,
# takes twice the time, and every file pays for it again.
function(bsq_header name)
  cmake_parse_arguments(ARG "" "" "FLAGS;ALSO;LINK" ${ARGN})
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/pch/empty.cpp)
  target_link_libraries(${name} PUBLIC bsq_common ${ARG_LINK})
  target_precompile_headers(${name} PRIVATE <torch/types.h> <torch/utils.h> ${ARG_ALSO})
  target_compile_options(${name} PRIVATE ${BSQ_PCH_FLAGS} ${ARG_FLAGS})
endfunction()
bsq_header(bsq_pch)
if(BSQ_BUILD_TESTS)
  # What most tests include; it makes their build a quarter shorter.
  bsq_header(bsq_pch_test FLAGS ${BSQ_TEST_FLAGS} LINK GTest::gtest nlohmann_json::nlohmann_json
    ALSO <gtest/gtest.h> <nlohmann/json.hpp> <torch/nn/module.h> <torch/nn/modules/batchnorm.h>)
endif()

# Every file that sees libtorch's headers spends seconds on their templates, however short it is; files of one folder
# spend them together.
function(bsq_compile_together name)
  if(BSQ_UNITY)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
  endif()
endfunction()

# bsq_target(NAME DEPENDENCIES...): the shared flags and header for one library or program.
function(bsq_target name)
  target_link_libraries(${name} PUBLIC bsq_common ${ARGN})
  target_precompile_headers(${name} REUSE_FROM bsq_pch)
  bsq_compile_together(${name})
  target_compile_options(${name} PRIVATE ${BSQ_PCH_FLAGS})
endfunction()

# bsq_light_target(NAME DEPENDENCIES...): the same for command lines. gcc takes a header that was compiled with more
# optimization, but not one with optimization for none.
function(bsq_light_target name)
  bsq_cheap_target(${name} bsq_pch "${BSQ_LIGHT_FLAGS}" ${ARGN})
endfunction()

# bsq_test_target(NAME DEPENDENCIES...): the same for tests.
function(bsq_test_target name)
  bsq_cheap_target(${name} bsq_pch_test "${BSQ_TEST_FLAGS}" ${ARGN})
endfunction()

# What both do, with this header and these flags.
function(bsq_cheap_target name header flags)
  target_link_libraries(${name} PUBLIC bsq_common ${ARGN})
  target_precompile_headers(${name} REUSE_FROM ${header})
  bsq_compile_together(${name})
  target_compile_options(${name} PRIVATE ${BSQ_PCH_FLAGS} ${flags})
endfunction()

# bsq_library(NAME FILE... [DEPENDS TARGET...] [LIGHT]): one folder, one static library; LIGHT for command lines.
function(bsq_library name)
  cmake_parse_arguments(ARG "LIGHT" "" "DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_LIGHT)
    bsq_light_target(${name} ${ARG_DEPENDS})
  else()
    bsq_target(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# bsq_plain_library(NAME FILE... [DEPENDS TARGET...]): the same without libtorch, for programs that do without it too.
function(bsq_plain_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${name} PUBLIC bsq_plain ${ARG_DEPENDS})
endfunction()

# bsq_registered(NAME FILE... INTO LIBRARY): files that register something before main() and that nobody calls. Every
# program that links LIBRARY gets their objects whole; from a static library the linker would leave them out.
function(bsq_registered name)
  cmake_parse_arguments(ARG "" "INTO" "" ${ARGN})
  add_library(${name} OBJECT ${ARG_UNPARSED_ARGUMENTS})
  get_target_property(dependencies ${ARG_INTO} LINK_LIBRARIES)
  bsq_target(${name} ${dependencies})
  target_link_libraries(${ARG_INTO} INTERFACE $<TARGET_OBJECTS:$<TARGET_NAME:${name}>>)
endfunction()

# bsq_use_jemalloc(PROGRAM): the allocator of the toolkit's programs.
function(bsq_use_jemalloc program)
  if(BSQ_JEMALLOC)
    target_sources(${program} PRIVATE $<TARGET_OBJECTS:bsq_memory>)
    target_link_libraries(${program} PRIVATE -Wl,--no-as-needed PkgConfig::jemalloc -Wl,--as-needed)
  endif()
endfunction()

# bsq_program(NAME FILE... [DEPENDS TARGET...]): one executable in build/bin.
function(bsq_program name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  bsq_target(${name} ${ARG_DEPENDS})
  bsq_use_jemalloc(${name})
endfunction()

# bsq_tool(NAME FILE... [DEPENDS TARGET...]): a program. One of its files has `int NAME_main(int argc, char** argv)`. The
# library bsq_run_NAME holds them, for other programs and tests. bsq_main_NAME has the main(): who links it builds the
# program again, with networks of his own.
function(bsq_tool name)
  bsq_library(bsq_run_${name} ${ARGN} LIGHT)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/mains/${name}.cpp CONTENT
"int ${name}_main(int argc, char** argv);
int main(int argc, char** argv) { return ${name}_main(argc, argv); }
")
  add_library(bsq_main_${name} STATIC ${CMAKE_BINARY_DIR}/mains/${name}.cpp)
  target_link_libraries(bsq_main_${name} PUBLIC bsq_run_${name})
  bsq_program(${name} ${CMAKE_BINARY_DIR}/pch/empty.cpp DEPENDS bsq_main_${name})
  set_target_properties(${name} PROPERTIES DISABLE_PRECOMPILE_HEADERS ON)
endfunction()

# A limit for what hangs; one that holds where something else has all cores for a long time.
set(BSQ_TEST_TIMEOUT 5000)

# Tests run side by side, so each takes one thread unless it asks for more: OpenMP's threads wait for each other at full
# speed, and two such programs on two cores are many times slower than one after the other.
set(BSQ_TEST_ENVIRONMENT OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive)

# bsq_test(NAME FILE... [DEPENDS TARGET...] [LABEL label] [SEPARATE | SHARDS n] [COST n]): one GoogleTest program. With SEPARATE
# every TEST is a ctest case of its own, so that long ones run side by side and a skip shows. With SHARDS there are n
# cases, each with its part of the tests: for those that share what takes long to make. What has a COST starts first, the
# dearest first; shards have 100.
function(bsq_test name)
  cmake_parse_arguments(ARG "SEPARATE" "LABEL;SHARDS;COST" "DEPENDS" ${ARGN})
  if(NOT ARG_COST)
    set(ARG_COST 0)
  endif()
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  bsq_test_target(${name} ${ARG_DEPENDS} bsq_test_support GTest::gtest)
  bsq_use_jemalloc(${name})  # without it large tensors cost twice the time, and tests run the programs themselves
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(ARG_SEPARATE)
    # It takes lists apart, and leaves out what is empty. With one thread nobody waits, so this one is enough.
    list(GET BSQ_TEST_ENVIRONMENT 0 environment)
    set(label)
    if(ARG_LABEL)
      set(label LABELS ${ARG_LABEL})
    endif()
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT ${BSQ_TEST_TIMEOUT}
      PROPERTIES TIMEOUT ${BSQ_TEST_TIMEOUT} ENVIRONMENT "${environment}" COST ${ARG_COST} ${label})
  elseif(ARG_SHARDS)
    foreach(shard RANGE 1 ${ARG_SHARDS})
      math(EXPR index "${shard} - 1")
      add_test(NAME ${name}_${shard}_of_${ARG_SHARDS} COMMAND ${name})
      set_tests_properties(${name}_${shard}_of_${ARG_SHARDS} PROPERTIES
        ENVIRONMENT "${BSQ_TEST_ENVIRONMENT};GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${index}"
        TIMEOUT ${BSQ_TEST_TIMEOUT} LABELS "${ARG_LABEL}" COST 100)
    endforeach()
  else()
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT ${BSQ_TEST_TIMEOUT} LABELS "${ARG_LABEL}"
      ENVIRONMENT "${BSQ_TEST_ENVIRONMENT}" COST ${ARG_COST})
  endif()
endfunction()
