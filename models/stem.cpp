#include "models/stem.h"

#include <algorithm>
#include <stdexcept>

namespace bsq {
namespace {

constexpr int64_t kLargestSmallSide = 64;

}  // namespace

void Stem::add_option(OptionTable& table) {
  table
      .add("stem", &form_,
           "form of the network's beginning: small, without early strides, imagenet, or auto: imagenet for "
           "images of more than 64 pixels a side")
      .one_of({"auto", "small", "imagenet"})
      .resume(ResumeRule::kFixed);
}

void Stem::resolve(const NetworkDescription& description) {
  if (form_ == "auto") {
    const auto side = std::max(description.image_height, description.image_width);
    form_ = side > kLargestSmallSide ? "imagenet" : "small";
  }
}

bool Stem::is_imagenet() const {
  if (form_ == "auto") {
    throw std::logic_error("stem: asked for before it is resolved");
  }
  return form_ == "imagenet";
}

}  // namespace bsq
