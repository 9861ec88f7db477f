# ccache, when it is there; the sloppiness settings let it cache precompiled headers, the base folder lets
# every clone of the project share what one of them has compiled.
find_program(BSQ_CCACHE ccache)
if(BSQ_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${BSQ_CCACHE})
endif()
