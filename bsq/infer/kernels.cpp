#include "bsq/infer/kernels.h"

#include <cstdlib>
#include <string>

namespace bsq::infer {
namespace {

const Kernels& find_kernels() {
  const char* wanted = std::getenv("BSQ_INFER_KERNELS");
  if (wanted != nullptr && std::string(wanted) == kPortableKernels.name) {
    return kPortableKernels;
  }
#ifdef BSQ_INFER_AVX2
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return kAvx2Kernels;
  }
#endif
  return kPortableKernels;
}

}  // namespace

const Kernels& best_kernels() {
  static const Kernels& best = find_kernels();
  return best;
}

}  // namespace bsq::infer
