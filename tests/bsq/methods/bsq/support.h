#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "bsq/methods/bsq/bit_planes.h"

namespace bsq::test {

using Shape = std::vector<int64_t>;

/// Shapes of weights: a single one, odd sizes, one channel, both sides of the fused kernels' chunk of 2048.
inline std::vector<Shape> weight_shapes() {
  return {{1}, {3}, {1, 1, 1, 1}, {5, 1, 3, 3}, {7, 11}, {2047}, {2048}, {2049}, {33, 16, 3, 3}};
}

/// Planes as training leaves them: real-valued, in [0, 2], with many zeros.
inline BitPlanes real_planes(const Shape& shape, int64_t bits, torch::ScalarType type) {
  Shape full = shape;
  full.insert(full.begin(), bits);
  const auto draw = [&] { return torch::rand(full, type).mul_(4).sub_(1.5).clamp_(0, 2); };
  const auto positive = draw();
  const auto negative = draw();
  return {positive, negative, torch::rand({}, type).add_(0.1)};
}

/// Integers of up to `bits` bits with a sign.
inline torch::Tensor random_integers(const Shape& shape, int64_t bits, torch::ScalarType type) {
  return torch::randint(-max_integer(bits), max_integer(bits) + 1, shape, type);
}

/// Planes of random integers, all of them binary.
inline BitPlanes binary_planes(const Shape& shape, int64_t bits, torch::ScalarType type) {
  const auto scale = torch::rand({}, type).add_(0.1);
  return planes_of(random_integers(shape, bits, type), bits, scale);
}

/// The weights that planes stand for, in float64.
inline torch::Tensor values(const BitPlanes& planes) {
  return plane_sum(planes.positive, planes.negative).to(torch::kFloat64) * planes.scale.item<double>() /
         static_cast<double>(max_integer(planes.bits()));
}

/// The elements in order, for loops that are slow and obvious.
template <typename T>
std::vector<T> values_of(const torch::Tensor& tensor) {
  const auto flat = tensor.detach().to(c10::CppTypeToScalarType<T>::value).contiguous();
  const T* data = flat.template data_ptr<T>();
  return {data, data + flat.numel()};
}

/// A tensor of T from values in order.
template <typename T>
torch::Tensor tensor_of(const std::vector<T>& values, const Shape& shape) {
  return torch::tensor(values, c10::CppTypeToScalarType<T>::value).reshape(shape);
}

/// The message of the exception that an action throws; none is a test failure.
template <typename Exception, typename Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const Exception& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

inline bool begins_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

}  // namespace bsq::test
