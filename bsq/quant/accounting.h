#pragma once

#include <cstdint>
#include <vector>

namespace bsq {

/// One tensor that holds bits.
struct BitCount {
  int64_t weights;
  int64_t bits;  ///< width; 0 where nothing is left
};

/// What a network needs, in bits.
struct Sizes {
  int64_t weights = 0;       ///< all weights and biases of bit layers
  int64_t bits_total = 0;    ///< sum of weights times bits, biases included, no signs
  int64_t stored_bits = 0;   ///< n bits and a sign a weight, a scale each, 0-bit tensors free, the rest at 32
  int64_t float32_bits = 0;  ///< all parameters and buffers of the float network at 32

  /// 32 weights / bits_total, as published. A network of 0 bits gives infinity.
  double comp() const;
  /// float32_bits / stored_bits: what a file of that network really saves.
  double comp_stored() const;
};

/// `float_elements` counts the elements of every floating-point parameter and buffer outside bit tensors and
/// scales.
Sizes count_sizes(const std::vector<BitCount>& tensors, int64_t float_elements);

}  // namespace bsq
