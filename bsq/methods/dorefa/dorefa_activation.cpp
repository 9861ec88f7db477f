#include "bsq/methods/dorefa/dorefa_activation.h"

#include <ostream>

#include "bsq/methods/dorefa/dorefa_ste.h"
#include "bsq/quant/codes.h"

namespace bsq {

DorefaActivation::DorefaActivation(int64_t bits) : bits_(bits) { check_bits("dorefa activation", bits); }

torch::Tensor DorefaActivation::forward(const torch::Tensor& x, bool /*is_training*/) {
  return dorefa_activation_ste(x, bits_);
}

std::optional<ActivationRule> DorefaActivation::rule() const {
  ActivationRule rule;
  rule.high = 1;
  rule.divisor = rule.step = 1 / static_cast<double>(max_integer(bits_));
  return rule;
}

void DorefaActivation::print(std::ostream& stream) const { stream << "bits=" << bits_ << ", 0 to 1"; }

}  // namespace bsq
