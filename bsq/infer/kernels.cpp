#include "bsq/infer/kernels.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "bsq/base/error.h"

namespace bsq::infer {
namespace {

// The best first.
std::vector<const Kernels*> kernels_of_this_cpu() {
  std::vector<const Kernels*> all;
#ifdef BSQ_INFER_X86
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    all.push_back(&kVnniKernels);
  }
  if (has_avx2) {
    all.push_back(&kAvx2Kernels);
  }
#endif
  all.push_back(&kPortableKernels);
  return all;
}

const Kernels& find_kernels() {
  const auto all = kernels_of_this_cpu();
  const char* wanted = std::getenv("BSQ_INFER_KERNELS");
  if (wanted == nullptr || *wanted == '\0') {
    return *all.front();
  }
  std::string names;
  for (const auto* kernels : all) {
    if (kernels->name == std::string(wanted)) {
      return *kernels;
    }
    names += (names.empty() ? "" : ", ") + std::string(kernels->name);
  }
  throw Error("BSQ_INFER_KERNELS: " + std::string(wanted) + ": expected one that this CPU has: " + names);
}

}  // namespace

const Kernels& best_kernels() {
  static const Kernels& best = find_kernels();
  return best;
}

}  // namespace bsq::infer
