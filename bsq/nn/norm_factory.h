#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "bsq/nn/network_description.h"
#include "bsq/nn/norm_module.h"

namespace bsq {

/// The kind of norm that every network has unless its description says otherwise: libtorch's BatchNorm2d.
constexpr const char* kBatchNorm = "batch";
/// No norms: each convolution in front of one has a bias instead (bsq/graph/norm_fusion.h).
constexpr const char* kNoNorm = "none";

/// Makes one norm of that many channels for a network of that description.
using NormFactory =
    std::function<std::shared_ptr<NormModule>(int64_t channels, const NetworkDescription& description)>;

/// Adds a kind of norm under the name that descriptions call it by. Throws std::logic_error for a name that
/// is taken.
void register_norm(const std::string& kind, NormFactory factory);

/// A norm of the description's kind. Throws std::invalid_argument for kBatchNorm, which is no NormModule, and
/// for a kind that nobody registered.
std::shared_ptr<NormModule> make_norm(const NetworkDescription& description, int64_t channels);

}  // namespace bsq
