#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bsq/nn/quant_layer.h"
#include "bsq/quant/activation_quantizer.h"

namespace bsq {

/// A weight or bias of a network's layer.
struct SourceRef {
  std::string name;  ///< "fc.bias"
  QuantLayer* layer;
  bool is_bias;

  WeightSource& source() const { return is_bias ? *layer->bias_source() : layer->weight_source(); }
  /// Puts another source in place. Throws what QuantLayer throws; the message begins with the name.
  void set(std::unique_ptr<WeightSource> source) const;
  /// The registered name of one of its slots: "fc.biasscale".
  std::string slot_name(const std::string& slot) const;
};

/// Every quantizable layer below a module with its path, in the module's order.
std::vector<std::pair<std::string, QuantLayer*>> quant_layers(torch::nn::Module& network);
/// Their weights and biases.
std::vector<SourceRef> sources_of(torch::nn::Module& network);
/// The same without float ones.
std::vector<SourceRef> coded_sources(torch::nn::Module& network);
/// Every activation quantizer below a module.
std::vector<ActivationQuantizerImpl*> activation_quantizers(torch::nn::Module& network);

/// Every tensor below a module on which autograd collects gradients, in the module's order: those of weights
/// and biases (WeightSource::gradient_leaves()) and every other parameter that requires a gradient.
std::vector<torch::Tensor> gradient_leaves(torch::nn::Module& network);

/// Whether no weight holds bits.
bool is_float(torch::nn::Module& network);
/// Makes every weight float, of the values that it stands for.
void make_float(torch::nn::Module& network);

/// Bit widths of one layer. Without a bias, or with a float one, `bias` is 0.
struct LayerBits {
  int64_t weight = 0;
  int64_t bias = 0;
  bool operator==(const LayerBits& other) const { return weight == other.weight && bias == other.bias; }
};

/// Layer name ("layer1.0.conv1") to bit widths: a network's mixed precision. Float layers are not in it.
using Scheme = std::map<std::string, LayerBits>;
/// Bit widths of the codes: 0 where every value is 0.
Scheme scheme_of(torch::nn::Module& network);
/// The same of a stored network.
Scheme scheme_of(const NetworkState& network);

}  // namespace bsq
