#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "bsq/quant/norm_act_ste.h"

namespace bsq {

/// Options of ActivationQuantizer.
struct ActivationQuantizerOptions {
  explicit ActivationQuantizerOptions(int64_t bits) : bits_(bits) {}
  /// Width k, 0 to 32. 0: the activation alone, not quantized; 1 to 3: PACT; 4 and more: ReLU6.
  TORCH_ARG(int64_t, bits);
  /// At test time: false, the range that training tracked; true, the maximum of the batch at hand, as
  /// published.
  TORCH_ARG(bool, batch_range) = false;
  /// Where PACT's alpha starts.
  TORCH_ARG(double, alpha) = 10.0;
  /// How fast the tracked range follows the batches' maxima, as in batch norm.
  TORCH_ARG(double, momentum) = 0.1;
};

/// The activation function of a quantized block: ReLU6 or PACT, then a = S round(x (2^k-1) / S) / (2^k-1),
/// where S is the maximum over the whole tensor, backward straight through (design of the published BSQ
/// code).
///
/// Parameter `alpha` (0-dimensional; PACT only). Buffer `range` (0-dimensional; not for k = 0): the running
/// average of S over training batches, -1 while none was seen. In training the range is the batch's own
/// maximum; in evaluation it is `range`, above which activations saturate, or the batch's own with
/// batch_range or while `range` is -1.
class ActivationQuantizerImpl : public torch::nn::Module {
 public:
  /// Throws std::invalid_argument for a width outside 0 to 32.
  explicit ActivationQuantizerImpl(const ActivationQuantizerOptions& options);

  torch::Tensor forward(const torch::Tensor& x);

  /// What forward() would do now, for norm_act_ste(); observe() must follow with the range that it used.
  ActivationCall call() const;
  /// Tracks S where forward() would.
  void observe(const torch::Tensor& maximum);

  /// Whether evaluation would need a range that was never tracked.
  bool needs_calibration() const;
  /// From begin to end, evaluation takes each batch's own maximum and averages them into `range`.
  void begin_calibration();
  /// Throws std::logic_error where no batch came between.
  void end_calibration();

  void pretty_print(std::ostream& stream) const override;

  ActivationQuantizerOptions options;
  torch::Tensor alpha;
  torch::Tensor range;

 private:
  torch::Tensor activate(const torch::Tensor& x);
  torch::Tensor range_for(const torch::Tensor& activated);
  bool uses_stored_range() const;
  bool is_tracked() const;

  bool calibrating_ = false;
  int64_t calibration_batches_ = 0;
};
TORCH_MODULE(ActivationQuantizer);

}  // namespace bsq
