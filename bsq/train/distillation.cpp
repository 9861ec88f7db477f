#include "bsq/train/distillation.h"

#include <torch/nn/functional/loss.h>
#include <torch/utils.h>

namespace bsq {

torch::Tensor distillation_loss(const torch::Tensor& student, const torch::Tensor& teacher,
                                double temperature) {
  const auto log_student = torch::log_softmax(student.div(temperature), /*dim=*/1);
  const auto log_teacher = torch::log_softmax(teacher.detach().div(temperature), /*dim=*/1);
  return torch::nn::functional::kl_div(
             log_student, log_teacher,
             torch::nn::functional::KLDivFuncOptions().reduction(torch::kBatchMean).log_target(true))
      .mul(temperature * temperature);
}

}  // namespace bsq
