#include "tests/bsq/infer/networks.h"

#include <torch/nn/modules/batchnorm.h>
#include <torch/utils.h>

#include "bsq/graph/program.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/checkpoint/program_text.h"
#include "bsq/methods/method.h"
#include "bsq/methods/methods.h"
#include "bsq/nn/network_state.h"
#include "models/registry.h"

namespace bsq::test {
namespace {

// What an untrained norm lacks: gains, shifts and statistics that matter.
void shake_norms(Network& network) {
  for (const auto& node : network.program()->nodes()) {
    if (const auto* norm = std::get_if<op::Norm>(&node.operation)) {
      if (!norm->module.is_empty()) {
        norm->module->weight.uniform_(0.5, 1.5);
        norm->module->bias.uniform_(-0.3, 0.5);
      }
    }
  }
}

}  // namespace

std::shared_ptr<Network> random_network(const NetworkCase& wanted) {
  register_methods();
  torch::manual_seed(7);
  torch::NoGradGuard no_grad;
  auto method = make_method(wanted.method);
  NetworkDescription description;
  description.architecture = wanted.architecture;
  description.options = wanted.options;
  description.activation_bits = wanted.activation_bits;
  auto network = make_network(method->adapted(description));
  shake_norms(*network);
  method->begin(*network, {LayerRules(wanted.bits), /*is_training=*/true});
  network->train();
  for (int step = 0; step < 3; ++step) {
    network->forward(random_images(8));
  }
  network->eval();
  return network;
}

void write_model(const std::string& path, Network& network) {
  Checkpoint checkpoint;
  checkpoint.method = "frozen";
  checkpoint.description = network.description();
  checkpoint.dataset = "synthetic";
  checkpoint.program = program_text(network);
  checkpoint.network = codes_of_network(network);
  write_checkpoint(path, checkpoint);
}

torch::Tensor random_images(int64_t count) { return torch::randn({count, 3, 32, 32}); }

}  // namespace bsq::test
