#include "bsq_train/bsq_flags.h"

namespace bsq::cli {

void add_options(OptionTable& table, BsqFlags& flags) {
  constexpr auto kOverride = ResumeRule::kOverride;
  table.section("Method bsq");
  table
      .add("alpha", &flags.alpha,
           "strength of the penalty on bit planes, the sum of their group norms; 0: none")
      .alias("decay")
      .yielding_word("L1", "0.01")
      .range(0, 1e9)
      .resume(kOverride);
  table.add("adjust-every", &flags.adjustment_interval, "epochs between precision adjustments")
      .alias("Prun_Int")
      .range(1, 1e6)
      .resume(kOverride);
  table
      .add("drop-threshold", &flags.threshold,
           "an adjustment drops a plane in which at most this percentage of the weights has a non-zero digit")
      .alias("thre")
      .range(0, 99.999)
      .resume(kOverride);
  table.add("max-bits", &flags.max_bits, "bit width that re-quantization may grow to")
      .range(1, 16)
      .resume(kOverride);
}

}  // namespace bsq::cli
