#include "tools/cli/event_log.h"

#include "bsq/nn/network_bits.h"
#include "bsq/train/statistics.h"

namespace bsq::cli {

void EventLog::add_network(int64_t step, Network& network) {
  torch::NoGradGuard no_grad;
  const bool has_bits = network_representation(network) != Representation::kFloat;
  for (const auto& [name, parameter] : bit_parameters(network)) {
    file_.add_histogram("weights/" + name, step, parameter->value());
    if (has_bits) {
      file_.add_scalar("bits/" + name, step, static_cast<double>(parameter->bits()));
    }
  }
  const auto compression = compression_of(network);
  file_.add_scalar("comp", step, compression.comp);
  file_.add_scalar("comp_stored", step, compression.comp_stored);
}

void EventLog::add_epoch(const EpochReport& report, Network& network, TrainingMethod method) {
  const auto step = report.epoch;
  file_.add_scalar("loss/train", step, report.train_loss);
  file_.add_scalar("loss/valid", step, report.validation.loss);
  file_.add_scalar("top1/train", step, report.train_top1);
  file_.add_scalar("top1/valid", step, report.validation.top1());
  file_.add_scalar("learning_rate", step, report.learning_rate);
  file_.add_scalar("seconds", step, report.seconds);
  if (method == TrainingMethod::kBits) {
    file_.add_scalar("penalty", step, report.penalty);
  }
  add_network(step, network);
  file_.flush();
}

void EventLog::add_final(int64_t epochs, const Evaluation& evaluation, Network& network) {
  file_.add_scalar("loss/final", epochs, evaluation.loss);
  file_.add_scalar("top1/final", epochs, evaluation.top1());
  add_network(epochs, network);
  file_.flush();
}

}  // namespace bsq::cli
