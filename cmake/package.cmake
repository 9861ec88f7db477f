# cpack: bsq_*.deb, the programs, and bsq-dev_*.deb, the library. Debian's own libtorch has to be the one in use: the
# packages that the programs depend on are found by the libraries that they load.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME bsq)
set(CPACK_PACKAGE_CONTACT "The developers of bsq <bsq@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_COMPONENT_DEVELOPMENT_DEPENDS runtime)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME bsq)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
# The reference BLAS, which libtorch takes where there is no other, is many times slower.
set(CPACK_DEBIAN_RUNTIME_PACKAGE_DEPENDS libopenblas0-pthread)

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME bsq-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
  "cmake, g++, pkg-config, libtorch-dev, libgloo-dev, libboost-program-options-dev, libhdf5-dev, libssl-dev, libzip-dev, libpng-dev, libjpeg62-turbo-dev, libonnx-dev, libprotobuf-dev, nlohmann-json3-dev")
if(BSQ_JEMALLOC)
  string(APPEND CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS ", libjemalloc-dev")
endif()
include(CPack)
