#pragma once

#include <map>
#include <memory>
#include <string>

#include "bsq/nn/network.h"

namespace bsq::test {

/// A network to make: of this architecture, in the form of this method.
struct NetworkCase {
  std::string name, architecture;
  std::map<std::string, std::string> options;
  std::string method;
  int64_t bits, activation_bits;
};

/// A network with random weights and statistics, whose activations have seen random images, in evaluation
/// mode.
std::shared_ptr<Network> random_network(const NetworkCase& wanted);

/// Writes it as finetune would: codes and a program.
void write_model(const std::string& path, Network& network);

/// Random normalized images (count, 3, 32, 32).
torch::Tensor random_images(int64_t count);

}  // namespace bsq::test
