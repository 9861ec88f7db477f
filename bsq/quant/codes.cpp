#include "bsq/quant/codes.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

namespace bsq {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kMostLevels = int64_t{1} << 20;

struct RoundToGrid : torch::autograd::Function<RoundToGrid> {
  static torch::Tensor forward(AutogradContext*, const torch::Tensor& q, const CodeFormat& format) {
    return round_to_grid(q, format);
  }
  static variable_list backward(AutogradContext*, variable_list gradients) {
    return {gradients[0], torch::Tensor()};
  }
};

void require(bool is_good, const std::string& what) {
  if (!is_good) {
    throw std::invalid_argument("code format: " + what);
  }
}

}  // namespace

void check_bits(const std::string& name, int64_t bits) {
  if (bits < kMinBits || bits > kMaxBits) {
    throw std::invalid_argument(name + ": " + std::to_string(bits) + " bits; expected " +
                                std::to_string(kMinBits) + " to " + std::to_string(kMaxBits));
  }
}

int64_t CodeFormat::high() const { return has_sign_bit ? -low : low + step * ((int64_t{1} << bits) - 1); }

bool CodeFormat::operator==(const CodeFormat& other) const {
  return bits == other.bits && levels == other.levels && low == other.low && step == other.step &&
         has_sign_bit == other.has_sign_bit;
}

CodeFormat sign_magnitude(int64_t bits) {
  const int64_t largest = max_integer(bits);
  return {bits, /*levels=*/std::max<int64_t>(largest, 1), /*low=*/-largest, /*step=*/1,
          /*has_sign_bit=*/true};
}

CodeFormat twos_complement(int64_t bits) {
  return {bits, /*levels=*/1, /*low=*/-(int64_t{1} << (bits - 1)), /*step=*/1, /*has_sign_bit=*/false};
}

void check_format(const CodeFormat& format) {
  require(format.bits >= 0 && format.bits <= kMaxBits,
          std::to_string(format.bits) + " bits; expected 0 to " + std::to_string(kMaxBits));
  require(format.levels >= 1 && format.levels <= kMostLevels,
          std::to_string(format.levels) + " levels; expected 1 to " + std::to_string(kMostLevels));
  require(format.step == 1 || format.step == 2,
          "a step of " + std::to_string(format.step) + "; expected 1 or 2");
  const auto is_near = [](int64_t integer) { return integer >= -kMostLevels && integer <= kMostLevels; };
  require(is_near(format.low) && is_near(format.high()), "integers from " + std::to_string(format.low) +
                                                             "; expected them within " +
                                                             std::to_string(kMostLevels) + " of 0");
  require(!format.has_sign_bit || format.low == -((int64_t{1} << format.bits) - 1),
          "sign and magnitude from " + std::to_string(format.low) + "; expected -(2^bits - 1)");
}

torch::Tensor along_channels(const torch::Tensor& numbers, const torch::Tensor& values) {
  if (numbers.dim() == 0) {
    return numbers;
  }
  std::vector<int64_t> shape(static_cast<size_t>(values.dim()), 1);
  shape.front() = numbers.numel();
  return numbers.reshape(shape);
}

torch::Tensor value_of(const Codes& codes) {
  auto integers = codes.integers.to(codes.scale.scalar_type());
  if (codes.zero_point.defined()) {
    integers = integers - along_channels(codes.zero_point, integers).to(integers.scalar_type());
  }
  integers.div_(static_cast<double>(codes.format.levels)).mul_(along_channels(codes.scale, integers));
  return codes.offset.defined() ? integers.add_(along_channels(codes.offset, integers)) : integers;
}

bool is_all_zero(const Codes& codes) {
  if (codes.offset.defined()) {
    return !value_of(codes).any().item<bool>();
  }
  if (!codes.zero_point.defined()) {
    return !codes.integers.any().item<bool>();
  }
  return codes.integers.eq(along_channels(codes.zero_point, codes.integers)).all().item<bool>();
}

void make_scale_positive(Codes& codes) {
  if (codes.format.has_sign_bit && codes.scale.dim() == 0 && codes.scale.item<double>() < 0) {
    codes.integers = codes.integers.neg();
    codes.scale = codes.scale.neg();
  }
}

void drop_bits_if_zero(Codes& codes) {
  if (is_all_zero(codes)) {
    codes.format = {/*bits=*/0, /*levels=*/1, /*low=*/0, /*step=*/1, codes.format.has_sign_bit};
    if (codes.offset.defined()) {
      codes.integers = torch::zeros_like(codes.integers);
      codes.offset = torch::Tensor();
    }
  }
}

torch::Tensor round_to_grid(const torch::Tensor& q, const CodeFormat& format) {
  const auto levels = static_cast<double>(format.levels);
  const auto low = static_cast<double>(format.low);
  auto grid = q.clamp(low / levels, static_cast<double>(format.high()) / levels).mul_(levels);
  if (format.step == 1) {
    return grid.round_().div_(levels);
  }
  const auto step = static_cast<double>(format.step);
  return grid.sub_(low).div_(step).round_().mul_(step).add_(low).div_(levels);
}

torch::Tensor round_to_grid_ste(const torch::Tensor& q, const CodeFormat& format) {
  return RoundToGrid::apply(q, format);
}

}  // namespace bsq
