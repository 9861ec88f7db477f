#include "bsq/train/evaluation.h"

#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/utils.h>

#include <algorithm>
#include <vector>

#include "bsq/nn/layers_of.h"
#include "bsq/nn/norm_module.h"
#include "bsq/train/shared_state.h"

namespace bsq {
namespace {

class EvalMode {
 public:
  explicit EvalMode(Network& network) : network_(network), was_training_(network.is_training()) {
    network.eval();
  }
  ~EvalMode() { network_.train(was_training_); }
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  Network& network_;
  bool was_training_;
};

class TrainMode {
 public:
  explicit TrainMode(Network& network) : network_(network), was_training_(network.is_training()) {
    network.train();
  }
  ~TrainMode() { network_.train(was_training_); }
  TrainMode(const TrainMode&) = delete;
  TrainMode& operator=(const TrainMode&) = delete;

 private:
  Network& network_;
  bool was_training_;
};

}  // namespace

torch::Device device_of(Network& network) { return network.parameters().front().device(); }

Evaluation evaluate(Network& network, BatchLoader& loader) {
  torch::NoGradGuard no_grad;
  const EvalMode eval_mode(network);
  const auto device = device_of(network);
  loader.start(/*epoch=*/0);
  auto sums = torch::zeros({loader.batches(), 3}, torch::kFloat64);  // of a batch: loss, correct, images
  while (const auto batch = loader.next()) {
    const StepScope step(current_ranks(), Ranks::StepKind::kEvaluation);
    const auto labels = batch->labels.to(device);
    const auto logits = network.forward(batch->images.to(device));
    const auto count = static_cast<double>(labels.size(0));
    double* own = sums.data_ptr<double>() + 3 * batch->index;
    own[0] = torch::nn::functional::cross_entropy(logits, labels).item<double>() * count;
    own[1] = logits.argmax(/*dim=*/1).eq(labels).sum().item<double>();
    own[2] = count;
  }
  if (loader.shares_batches()) {
    sums = ordered_sum(*current_ranks(), sums);
  }
  Evaluation result;
  for (int64_t batch = 0; batch < sums.size(0); ++batch) {
    const double* own = sums.data_ptr<double>() + 3 * batch;
    result.loss += own[0];
    result.correct += static_cast<int64_t>(own[1]);
    result.images += static_cast<int64_t>(own[2]);
  }
  result.loss /= static_cast<double>(std::max<int64_t>(result.images, 1));
  return result;
}

bool needs_calibration(Network& network) {
  for (const auto* quantizer : activation_quantizers(network)) {
    if (quantizer->activation().needs_calibration()) {
      return true;
    }
  }
  return false;
}

void calibrate(Network& network, BatchLoader& loader, int64_t batches) {
  torch::NoGradGuard no_grad;
  const EvalMode eval_mode(network);
  const auto device = device_of(network);
  for (auto* quantizer : activation_quantizers(network)) {
    quantizer->activation().begin_calibration();
  }
  loader.start_whole(/*epoch=*/0);
  for (int64_t done = 0; done < batches; ++done) {
    const auto batch = loader.next();
    if (!batch || (done > 0 && loader.is_short(batch->index))) {
      break;
    }
    network.forward(batch->images.to(device));
  }
  for (auto* quantizer : activation_quantizers(network)) {
    quantizer->activation().end_calibration();
  }
}

void reestimate_statistics(Network& network, BatchLoader& loader, int64_t epoch, int64_t batches) {
  torch::NoGradGuard no_grad;
  const TrainMode train_mode(network);
  const auto device = device_of(network);
  struct Norm {
    torch::nn::BatchNorm2dImpl* module;
    torch::nn::BatchNormOptions options;
    torch::Tensor batches;
  };
  std::vector<Norm> norms;
  std::vector<NormModule*> other_norms;
  for (const auto& module : network.modules(/*include_self=*/false)) {
    if (auto* norm = module->as<torch::nn::BatchNorm2d>()) {
      norms.push_back({norm, norm->options, norm->num_batches_tracked.clone()});
    } else if (auto* other = dynamic_cast<NormModule*>(module.get())) {
      other_norms.push_back(other);
      other->begin_estimate();
    }
  }
  for (auto* quantizer : activation_quantizers(network)) {
    quantizer->activation().begin_calibration();
  }
  loader.start(epoch);
  int64_t done = 0;
  for (auto batch = loader.next(); batch && done < batches; batch = loader.next()) {
    if (done > 0 && loader.is_short(batch->index)) {
      break;  // each batch counts alike
    }
    const StepScope step(current_ranks(), Ranks::StepKind::kTraining);
    ++done;
    for (auto& norm : norms) {
      norm.module->options.momentum(1.0 / static_cast<double>(done));
    }
    network.forward(batch->images.to(device));
  }
  for (auto& norm : norms) {
    norm.module->options = norm.options;
    norm.module->num_batches_tracked.copy_(norm.batches);
  }
  for (auto* norm : other_norms) {
    norm->end_estimate();
  }
  if (done > 0) {
    for (auto* quantizer : activation_quantizers(network)) {
      quantizer->activation().end_calibration();
    }
  }
  if (auto* ranks = current_ranks()) {
    average_tracked(*ranks, network);
  }
}

}  // namespace bsq
