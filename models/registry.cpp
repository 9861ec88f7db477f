#include "models/registry.h"

#include <stdexcept>

#include "models/resnet.h"

namespace bsq {

std::shared_ptr<Network> make_network(const NetworkDescription& description) {
  if (description.architecture == "resnet") {
    return std::make_shared<ResNetImpl>(description);
  }
  throw std::invalid_argument("architecture '" + description.architecture + "'; expected resnet");
}

std::vector<std::string> architectures() { return {"resnet"}; }

}  // namespace bsq
