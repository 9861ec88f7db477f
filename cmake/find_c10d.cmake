# Which process groups of libtorch's c10d the sources can reach: sets BSQ_C10D_DEFINITIONS. Debian's libtorch has Gloo,
# whose headers are those of libgloo-dev; wheels ship none, and programs built with them say so when ranks are asked for.
include(CheckCXXSourceCompiles)

function(bsq_check_process_group header definition result)
  set(CMAKE_REQUIRED_INCLUDES ${TORCH_INCLUDE_DIRS})
  set(CMAKE_REQUIRED_FLAGS "${TORCH_CXX_FLAGS} -std=c++${BSQ_CXX_STANDARD}")
  set(CMAKE_REQUIRED_DEFINITIONS -D${definition})
  set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
  check_cxx_source_compiles("
    #include <torch/csrc/distributed/c10d/${header}.hpp>
    c10d::${header}* group;
    int main() {}" ${result})
endfunction()

bsq_check_process_group(ProcessGroupGloo USE_C10D_GLOO BSQ_HAS_GLOO)
set(BSQ_C10D_DEFINITIONS)
if(BSQ_HAS_GLOO)
  list(APPEND BSQ_C10D_DEFINITIONS BSQ_HAS_GLOO USE_C10D_GLOO)
  if(TORCH_CUDA_LIBRARIES)
    bsq_check_process_group(ProcessGroupNCCL USE_C10D_NCCL BSQ_HAS_NCCL)
    if(BSQ_HAS_NCCL)
      list(APPEND BSQ_C10D_DEFINITIONS BSQ_HAS_NCCL USE_C10D_NCCL)
    endif()
  endif()
endif()
