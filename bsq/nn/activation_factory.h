#pragma once

#include <functional>
#include <memory>
#include <string>

#include "bsq/nn/network_description.h"
#include "bsq/quant/activation_quantizer.h"

namespace bsq {

/// Makes one quantized activation of a network.
using ActivationFactory = std::function<std::unique_ptr<Activation>(const NetworkDescription&)>;

/// Whether a kind computes otherwise with another NetworkDescription::activation_range.
enum class RangeUse { kNone, kEvaluation };

/// Adds a kind of activation under the name that descriptions call it by. Throws std::logic_error for a name
/// that is taken. "uniform" is there from the start: ReLU6 or PACT with uniform quantization.
void register_activation(const std::string& name, ActivationFactory factory,
                         RangeUse range_use = RangeUse::kNone);

/// Whether a network of this description computes otherwise with another activation_range.
bool uses_activation_range(const NetworkDescription& description);

/// A quantized activation of the description's kind, bits and range, which has been told of its input. Throws
/// std::invalid_argument for a kind that nobody registered.
std::unique_ptr<Activation> activation_of(const NetworkDescription& description,
                                          const ActivationInput& input = {});
/// The same as a module.
ActivationQuantizer make_activation(const NetworkDescription& description, const ActivationInput& input = {});

}  // namespace bsq
