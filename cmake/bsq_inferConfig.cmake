# bsq::infer_c: the engine's C library (bsq_infer.h), which needs nothing else to be found.
include("${CMAKE_CURRENT_LIST_DIR}/bsq_inferTargets.cmake")
