# What `cmake --install` puts where: programs, presets, completion and man pages (component runtime); libraries, headers
# and the package's configuration (development).
include(CMakePackageConfigHelpers)
set(BSQ_INSTALL_CMAKEDIR ${CMAKE_INSTALL_LIBDIR}/cmake/bsq)

# libtorch and others may lie where the loader does not look by itself; a wheel's also in a virtual environment within
# this folder, which CMake would leave out.
set_target_properties(${BSQ_PROGRAMS} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON INSTALL_RPATH "${BSQ_TORCH_RPATH}")
# Other packages have a `convert` or a `sweep`, so the programs go into a folder of their own, and `bsq` runs them.
install(TARGETS ${BSQ_PROGRAMS} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/bsq COMPONENT runtime)
set_target_properties(bsq PROPERTIES EXPORT_NAME modes)
install(TARGETS bsq EXPORT bsqTargets RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
# The name in the published command lines.
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/links)
file(CREATE_LINK ${BSQ_PROGRAMS_FROM_BIN}/bsq_train ${CMAKE_BINARY_DIR}/links/bsq_train SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/links/bsq_train DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
install(DIRECTORY models/presets DESTINATION ${CMAKE_INSTALL_DATADIR}/bsq COMPONENT runtime)
install(FILES README.md LICENSE CHANGELOG.md CONTRIBUTING.md CITATION.cff DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime
        FILES_MATCHING PATTERN "*.md" PATTERN "*.svg" PATTERN results EXCLUDE)
install(FILES models/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/models COMPONENT runtime)
install(FILES checkpoints/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/checkpoints COMPONENT runtime)
install(FILES ${BSQ_MAN_PAGES} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT runtime)
# bash-completion looks for a file of the command's name.
foreach(command bsq bsq_train)
  install(FILES tools/completion/bsq.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
          RENAME ${command} COMPONENT runtime)
endforeach()

# bsq::bsq: networks, data, training, files.
add_library(bsq_all INTERFACE)
target_link_libraries(bsq_all INTERFACE bsq_models bsq_train_lib bsq_io)
set_target_properties(bsq_all PROPERTIES EXPORT_NAME bsq)

set(BSQ_INSTALLED_LIBRARIES
  bsq_all bsq_plain bsq_common bsq_base bsq_pickle bsq_kernels bsq_quant bsq_nn bsq_graph ${BSQ_METHOD_LIBRARIES} bsq_data bsq_atomic_file
  bsq_seal bsq_hdf5 bsq_infer bsq_file_engine bsq_pytorch bsq_onnx bsq_io bsq_ranks bsq_train_lib bsq_models
  bsq_architectures bsq_cli)
foreach(tool ${BSQ_PROGRAMS})
  list(APPEND BSQ_INSTALLED_LIBRARIES bsq_run_${tool} bsq_main_${tool})
endforeach()
if(BSQ_JEMALLOC)
  list(APPEND BSQ_INSTALLED_LIBRARIES bsq_memory)
endif()
foreach(library ${BSQ_INSTALLED_LIBRARIES})
  if(NOT library STREQUAL "bsq_all")
    string(REGEX REPLACE "^bsq_" "" exported ${library})
    set_target_properties(${library} PROPERTIES EXPORT_NAME ${exported})
  endif()
endforeach()
install(TARGETS ${BSQ_INSTALLED_LIBRARIES} EXPORT bsqTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  OBJECTS DESTINATION ${CMAKE_INSTALL_LIBDIR}/bsq COMPONENT development)
install(EXPORT bsqTargets NAMESPACE bsq:: DESTINATION ${BSQ_INSTALL_CMAKEDIR} COMPONENT development)
install(DIRECTORY bsq models DESTINATION ${BSQ_INSTALL_INCLUDEDIR} COMPONENT development
  FILES_MATCHING PATTERN "*.h" PATTERN presets EXCLUDE)

configure_package_config_file(cmake/bsqConfig.cmake.in ${CMAKE_BINARY_DIR}/cmake/bsqConfig.cmake
  INSTALL_DESTINATION ${BSQ_INSTALL_CMAKEDIR} PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/cmake/bsqConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/cmake/bsqConfig.cmake ${CMAKE_BINARY_DIR}/cmake/bsqConfigVersion.cmake
  cmake/find_torch.cmake cmake/bsq_add_tools.cmake
  DESTINATION ${BSQ_INSTALL_CMAKEDIR} COMPONENT development)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT development)

# bsq::infer_c, for C programs: a package of its own, which does not look for libtorch.
install(TARGETS bsq_infer_c EXPORT bsq_inferTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development)
install(EXPORT bsq_inferTargets NAMESPACE bsq:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/bsq_infer COMPONENT development)
install(FILES cmake/bsq_inferConfig.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/bsq_infer COMPONENT development)
