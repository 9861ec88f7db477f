#include "bsq/quant/activation_quantizer.h"

#include <ostream>
#include <stdexcept>
#include <string>

#include "bsq/quant/activation_ste.h"

namespace bsq {
namespace {

constexpr int64_t kMaxActivationBits = 32;
constexpr int64_t kLastPactBits = 3;
constexpr double kNoRange = -1;

}  // namespace

ActivationQuantizerImpl::ActivationQuantizerImpl(const ActivationQuantizerOptions& options)
    : options(options) {
  const int64_t bits = options.bits();
  if (bits < 0 || bits > kMaxActivationBits) {
    throw std::invalid_argument("activation quantizer: " + std::to_string(bits) + " bits; expected 0 to 32");
  }
  if (bits >= 1 && bits <= kLastPactBits) {
    alpha = register_parameter("alpha", torch::tensor(options.alpha(), torch::kFloat32));
  }
  if (bits > 0) {
    range = register_buffer("range", torch::tensor(kNoRange, torch::kFloat32));
  }
}

torch::Tensor ActivationQuantizerImpl::forward(const torch::Tensor& x) {
  const auto activated = activate(x);
  return options.bits() == 0 ? activated
                             : quantize_unsigned_ste(activated, options.bits(), range_for(activated));
}

torch::Tensor ActivationQuantizerImpl::activate(const torch::Tensor& x) {
  return alpha.defined() ? pact_ste(x, alpha.to(x.scalar_type())) : torch::relu6(x);
}

bool ActivationQuantizerImpl::uses_stored_range() const {
  return !is_training() && !calibrating_ && !options.batch_range() && !needs_calibration();
}

torch::Tensor ActivationQuantizerImpl::range_for(const torch::Tensor& activated) {
  if (uses_stored_range()) {
    return range.to(activated.scalar_type());
  }
  const auto maximum = activated.detach().max();
  observe(maximum);
  return maximum;
}

ActivationCall ActivationQuantizerImpl::call() const {
  using Function = ActivationCall::Function;
  ActivationCall result;
  result.function = alpha.defined() ? Function::kPact : Function::kRelu6;
  result.bits = options.bits();
  result.alpha = alpha;
  if (options.bits() > 0 && uses_stored_range()) {
    result.range = range.item<double>();
  }
  return result;
}

void ActivationQuantizerImpl::observe(const torch::Tensor& maximum) {
  if (!range.defined() || !(is_training() || calibrating_)) {
    return;
  }
  torch::NoGradGuard no_grad;
  double weight = is_tracked() ? options.momentum() : 1.0;
  if (calibrating_) {
    weight = 1.0 / static_cast<double>(++calibration_batches_);
  }
  range.mul_(1 - weight).add_(maximum.to(range.options()), weight);
}

bool ActivationQuantizerImpl::is_tracked() const { return range.defined() && range.item<double>() >= 0; }

bool ActivationQuantizerImpl::needs_calibration() const {
  return range.defined() && !options.batch_range() && !is_tracked();
}

void ActivationQuantizerImpl::begin_calibration() {
  calibrating_ = range.defined();
  calibration_batches_ = 0;
}

void ActivationQuantizerImpl::end_calibration() {
  if (calibrating_ && calibration_batches_ == 0) {
    throw std::logic_error("activation quantizer: calibration ended without a batch");
  }
  calibrating_ = false;
}

void ActivationQuantizerImpl::pretty_print(std::ostream& stream) const {
  stream << "bsq::ActivationQuantizer(bits=" << options.bits() << ", " << (alpha.defined() ? "PACT" : "ReLU6")
         << ")";
}

}  // namespace bsq
