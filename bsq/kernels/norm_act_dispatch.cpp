#include "bsq/kernels/norm_act_loops.h"

namespace bsq::norm_act {
namespace {

const Loops& best_loops() {
#ifdef BSQ_X86_VARIANTS
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return __builtin_cpu_supports("avx512bf16") ? kAvx512Bf16Loops : kAvx512Loops;
  }
  if (has_avx2) {
    return kAvx2Loops;
  }
#endif
  return kPortableLoops;
}

}  // namespace

const Loops& loops() {
  static const Loops& best = best_loops();
  return best;
}

}  // namespace bsq::norm_act
