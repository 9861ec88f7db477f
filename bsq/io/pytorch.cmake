set(BSQ_PYTORCH_SOURCES
  pickle_builder.cpp pickle_cursor.cpp pickle_machine.cpp pickle_numpy.cpp pickle_value.cpp pickle_writer.cpp
  pytorch_archive.cpp pytorch_legacy.cpp pytorch_reader.cpp pytorch_writer.cpp pytorch_zip.cpp)
list(TRANSFORM BSQ_PYTORCH_SOURCES PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
bsq_library(bsq_pytorch ${BSQ_PYTORCH_SOURCES} DEPENDS bsq_atomic_file PkgConfig::libzip)
