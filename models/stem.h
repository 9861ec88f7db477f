#pragma once

#include <string>

#include "bsq/base/options.h"
#include "bsq/nn/network_description.h"

namespace bsq {

/// The beginning of a network that has a form for small images and one for ImageNet's: --stem.
class Stem {
 public:
  void add_option(OptionTable& table);
  /// Where nobody chose: ImageNet's form for images of more than 64 pixels a side, else the small one.
  void resolve(const NetworkDescription& description);
  /// Throws std::logic_error before resolve().
  bool is_imagenet() const;

 private:
  std::string form_ = "auto";
};

}  // namespace bsq
