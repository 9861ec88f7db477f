#pragma once

#include <string>
#include <vector>

#include "bsq/base/options.h"
#include "bsq/graph/builder.h"

namespace bsq {

/// A family of networks that `-a NAME` builds: its options are members, and build() writes its flow. The last
/// line of its file registers it (models/registry.h).
class Architecture {
 public:
  virtual ~Architecture() = default;

  /// The architecture's own options, which fill its members. Files store their values.
  virtual void add_options(OptionTable&) {}
  /// Gives options that were left open the values that this network's description asks for. Called once,
  /// after the options are set and before anything else.
  virtual void resolve(const NetworkDescription&) {}
  /// Writes the network of these options, from the image to the logits of `b.description().classes` classes.
  /// Throws std::invalid_argument for options that do not go together.
  virtual Value build(Builder& b, Value image) const = 0;
  /// What the options' names may hide of the network: a sentence; "": nothing.
  virtual std::string remark() const { return ""; }
  /// Beginnings of names of tensors that published files hold for training alone: such a file loads without
  /// them.
  virtual std::vector<std::string> training_only() const { return {}; }
  /// Draws the weights of a new network; by default they are as libtorch initializes each layer.
  virtual void initialize(const Program&) const {}
};

}  // namespace bsq
