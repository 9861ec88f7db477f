#pragma once

#include <iosfwd>

#include "bsq/nn/network.h"

namespace bsq {

/// Prints a table of a network in bits or frozen: every tensor's name, weights, bits, and the percent of
/// weights with a non-zero digit in each plane, most significant first; then totals, `comp` and
/// `comp_stored`. A real-valued plane is counted as it re-quantizes.
void print_statistics(std::ostream& out, Network& network);

/// `comp` and `comp_stored` of a network, in bits or frozen, or 1 for both where it is float.
struct Compression {
  double comp = 1;
  double comp_stored = 1;
};
Compression compression_of(Network& network);

}  // namespace bsq
