# A hundred programs are linked, most of them tests. mold takes a tenth of GNU ld's time, gold a quarter.
find_program(BSQ_MOLD mold)
find_program(BSQ_GOLD ld.gold)
if(BSQ_MOLD AND NOT (CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12.1))
  set(BSQ_LINKER_FLAG -fuse-ld=mold)
elseif(BSQ_GOLD)
  set(BSQ_LINKER_FLAG -fuse-ld=gold)
endif()
add_link_options(${BSQ_LINKER_FLAG})
