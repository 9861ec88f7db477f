#include "tools/cli/event_log.h"

#include <torch/utils.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_sizes.h"

namespace bsq::cli {
namespace {

// "Reg Loss" as "reg_loss".
std::string tag_of(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char letter) {
    return letter == ' ' ? '_' : static_cast<char>(std::tolower(letter));
  });
  return name;
}

}  // namespace

void EventLog::add_network(int64_t step, Network& network) {
  torch::NoGradGuard no_grad;
  for (const auto& ref : sources_of(network)) {
    file_.add_histogram("weights/" + ref.name, step, ref.source().value());
  }
  for (const auto& tensor : tensor_bits(network)) {
    file_.add_scalar("bits/" + tensor.name, step, static_cast<double>(tensor.bits));
  }
  const auto sizes = sizes_of(network);
  file_.add_scalar("comp", step, sizes.comp());
  file_.add_scalar("comp_stored", step, sizes.comp_stored());
}

void EventLog::add_epoch(const EpochReport& report, Network& network) {
  const auto step = report.epoch;
  file_.add_scalar("loss/train", step, report.train_loss);
  file_.add_scalar("loss/valid", step, report.validation.loss);
  file_.add_scalar("top1/train", step, report.train_top1);
  file_.add_scalar("top1/valid", step, report.validation.top1());
  file_.add_scalar("learning_rate", step, report.learning_rate);
  file_.add_scalar("seconds", step, report.seconds);
  for (const auto& [name, value] : report.metrics) {
    file_.add_scalar("method/" + tag_of(name), step, value);
  }
  for (const auto& layer : report.layers) {
    file_.add_scalar("scale/" + layer.tensor, step, layer.scale);
    file_.add_scalar("mean_integer/" + layer.tensor, step, layer.mean_integer);
    if (!std::isnan(layer.changed_percent)) {
      file_.add_scalar("changed_percent/" + layer.tensor, step, layer.changed_percent);
    }
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
