# bsq_add_tools(FILE...): builds the programs of bsq (bsq_train, convert, ...) into bin/ of the build folder, with the
# networks that these files register, and puts a bsq beside them, which runs them; the networks' object library is
# bsq_own_networks. Call it once in a project.
function(bsq_add_tools)
  add_library(bsq_own_networks OBJECT ${ARGN})
  target_link_libraries(bsq_own_networks PUBLIC bsq::bsq)
  foreach(tool ${BSQ_PROGRAMS})
    add_executable(${tool} $<TARGET_OBJECTS:bsq_own_networks>)
    target_link_libraries(${tool} PRIVATE bsq::main_${tool})
    set_target_properties(${tool} PROPERTIES
      LINKER_LANGUAGE CXX RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
    bsq_use_jemalloc(${tool})
  endforeach()
  get_target_property(modes bsq::modes LOCATION)
  configure_file(${modes} ${CMAKE_BINARY_DIR}/bin/bsq COPYONLY)
  # Where the programs look for presets.
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/share/bsq)
  file(CREATE_LINK ${BSQ_PRESETS} ${CMAKE_BINARY_DIR}/share/bsq/presets SYMBOLIC)
endfunction()

# bsq_use_jemalloc(PROGRAM): the allocator of the toolkit's own programs, where they have it; training is faster with it.
function(bsq_use_jemalloc program)
  if(TARGET bsq::memory)
    target_link_libraries(${program} PRIVATE bsq::memory -Wl,--no-as-needed PkgConfig::jemalloc -Wl,--as-needed)
  endif()
endfunction()
