#include "tools/cli/adjustment_record.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "bsq/nn/network_sizes.h"

namespace bsq::cli {

void AdjustmentRecord::add(int64_t epoch, Network& network) {
  const auto sizes = sizes_of(network);
  Adjustment adjustment{epoch, sizes.comp(), sizes.comp_stored(), {}};
  for (const auto& tensor : tensor_bits(network)) {
    adjustment.bits.emplace_back(tensor.name, tensor.bits);
  }
  adjustments_.push_back(std::move(adjustment));
}

void AdjustmentRecord::go_back_to(const TrainingState& state) {
  std::ifstream in(path_);
  if (adjustments_.empty() && in) {
    std::ostringstream text;
    text << in.rdbuf();
    adjustments_ = parse_adjustment_log(text.str(), path_);
  }
  const int64_t first_to_come = state.next_epoch + (state.next_step > 0 ? 1 : 0);
  const auto comes_again = [&](const Adjustment& adjustment) { return adjustment.epoch >= first_to_come; };
  adjustments_.erase(std::remove_if(adjustments_.begin(), adjustments_.end(), comes_again),
                     adjustments_.end());
}

}  // namespace bsq::cli
