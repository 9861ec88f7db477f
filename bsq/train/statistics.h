#pragma once

#include <iosfwd>

#include "bsq/nn/network.h"

namespace bsq {

/// Prints a table of the tensors that hold bits: name, weights, bits, and the percent of weights with a
/// non-zero digit in each place, most significant first; then totals, `comp` and `comp_stored`. Everything is
/// that of the codes, that is of the values that the network computes with now.
void print_statistics(std::ostream& out, Network& network);

}  // namespace bsq
