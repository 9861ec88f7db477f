#pragma once

#include <memory>

#include "bsq/nn/network.h"

namespace bsq::test {

/// The ResNet of basic blocks as it was written before there was a builder: modules as members, a forward()
/// by hand that fuses and forks by itself. The builder's network has to be the same, bit for bit.
std::shared_ptr<Network> hand_written_resnet(int64_t depth, const NetworkDescription& description);

}  // namespace bsq::test
