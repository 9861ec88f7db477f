# libtorch, for the project and, installed, for those that use its package. CMAKE_PREFIX_PATH chooses another one than
# the distribution's. Sets BSQ_TORCH_LINK_OPTIONS, BSQ_CXX_STANDARD and, for a wheel's, BSQ_TORCH_RPATH.
# A PyPI wheel's libtorch lies beside its share/cmake; without this its own configuration finds the distribution's
# library first. The wheel's CUDA libraries come in packages of their own, which only the linker has to be told of. Its
# libtorch.so has functions of std::filesystem in it that jump to nowhere: the standard library has to come first.
set(BSQ_TORCH_LINK_OPTIONS)
set(BSQ_TORCH_RPATH)
foreach(prefix ${CMAKE_PREFIX_PATH})
  foreach(torch ${prefix} ${prefix}/../..)
    if(EXISTS ${torch}/lib/libtorch.so)
      get_filename_component(BSQ_TORCH_RPATH ${torch}/lib ABSOLUTE)
      list(PREPEND CMAKE_LIBRARY_PATH ${BSQ_TORCH_RPATH})
      list(APPEND BSQ_TORCH_LINK_OPTIONS -Wl,--push-state,--no-as-needed,-lstdc++,--pop-state)
      file(GLOB folders ${torch}/../nvidia/*/lib)
      foreach(folder ${folders})
        list(APPEND BSQ_TORCH_LINK_OPTIONS -Wl,-rpath-link,${folder})
      endforeach()
    endif()
  endforeach()
endforeach()
find_package(Torch REQUIRED)
if(Torch_VERSION VERSION_GREATER_EQUAL 2.10)
  set(BSQ_CXX_STANDARD 20)
else()
  set(BSQ_CXX_STANDARD 17)
endif()
