#pragma once

#include <memory>
#include <set>
#include <string>

#include "bsq/nn/network.h"
#include "bsq/nn/optimizer.h"

namespace bsq {

/// The optimizer of a phase of PROFIT: SGD with Nesterov's momentum, whatever options.is_nesterov says. The
/// numbers a and c of DuQ quantizers have 0.01 of the learning rate and no weight decay, norms and biases no
/// weight decay; weights of layers have both, unless they rest: all of them, or those of the layers at the
/// paths `frozen`.
std::unique_ptr<Optimizer> make_profit_optimizer(Network& network, SgdOptions options, bool weights_rest,
                                                 const std::set<std::string>& frozen);

}  // namespace bsq
