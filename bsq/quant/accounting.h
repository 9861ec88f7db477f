#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bsq {

/// One tensor that holds bits.
struct TensorBits {
  std::string name;  ///< "layer1.0.conv1.weight"
  std::vector<int64_t> shape;
  int64_t weights = 0;
  int64_t bits = 0;          ///< bit width; 0 where every value is 0
  bool has_sign_bit = true;  ///< whether a weight needs a sign beside its bits
  int64_t scales = 1;        ///< float32 numbers that go with the codes
};

/// What a network needs, in bits.
struct Sizes {
  int64_t weights = 0;         ///< all weights and biases that hold bits
  int64_t bits_total = 0;      ///< sum of weights times bits, biases included, no signs
  int64_t stored_bits = 0;     ///< bits, signs and scales; tensors of 0 bits free, the rest at 32
  int64_t float32_bits = 0;    ///< all parameters and buffers of the float network at 32
  int64_t float_elements = 0;  ///< numbers that stay float

  /// 32 weights / bits_total, as published; infinity for 0 bits, 1 where nothing holds bits.
  double comp() const;
  /// float32_bits / stored_bits: what a file of that network really saves.
  double comp_stored() const;
};

/// `float_elements` counts the elements of every floating-point parameter and buffer outside the tensors and
/// their scales. The one accounting: every program takes `comp` and `comp_stored` from here.
Sizes count_sizes(const std::vector<TensorBits>& tensors, int64_t float_elements);

}  // namespace bsq
