#include "bsq/data/augmentation.h"

#include <algorithm>
#include <cmath>

namespace bsq {
namespace {

constexpr double kTwoPi = 6.283185307179586;

/// A rectangle within an image.
struct Patch {
  int64_t top, bottom, left, right;
};

// One centred at any pixel, cut off at the edges.
Patch random_patch(const torch::Tensor& batch, int64_t height, int64_t width, Random& random) {
  const int64_t rows = batch.size(2), columns = batch.size(3);
  const int64_t top = random.below(rows) - height / 2, left = random.below(columns) - width / 2;
  return {std::clamp<int64_t>(top, 0, rows), std::clamp<int64_t>(top + height, 0, rows),
          std::clamp<int64_t>(left, 0, columns), std::clamp<int64_t>(left + width, 0, columns)};
}

// Calls work(offset) for every number of the patch in an image, as an offset from the image's first.
template <typename Work>
void for_each(const torch::Tensor& batch, const Patch& patch, const Work& work) {
  for (int64_t channel = 0; channel < batch.size(1); ++channel) {
    for (int64_t y = patch.top; y < patch.bottom; ++y) {
      for (int64_t x = patch.left; x < patch.right; ++x) {
        work(channel * batch.stride(1) + y * batch.stride(2) + x * batch.stride(3));
      }
    }
  }
}

template <typename Work>
void with_type(const torch::Tensor& batch, const Work& work) {
  if (batch.scalar_type() == torch::kFloat32) {
    work(batch.data_ptr<float>());
  } else if (batch.scalar_type() == torch::kFloat64) {
    work(batch.data_ptr<double>());
  } else {
    work(batch.data_ptr<c10::BFloat16>());
  }
}

double random_normal(Random& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.unit()));
  return radius * std::cos(kTwoPi * random.unit());
}

// Marsaglia and Tsang, A simple method for generating gamma variables, 2000.
double random_gamma(double shape, Random& random) {
  if (shape < 1) {
    const double raised = random_gamma(shape + 1, random);
    return raised * std::pow(1 - random.unit(), 1 / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = random_normal(random), root = 1 + c * x, v = root * root * root;
    if (v > 0 && std::log(1 - random.unit()) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return d * v;
    }
  }
}

// As many numbers as one image has, whatever the layout; images lie one after the other.
int64_t image_numbers(const torch::Tensor& batch) { return batch.numel() / batch.size(0); }

template <typename T>
std::vector<T> copy_of(const T* numbers, const torch::Tensor& batch) {
  return {numbers, numbers + batch.numel()};
}

}  // namespace

void cut_out(const torch::Tensor& batch, int64_t index, int64_t side, Random& random) {
  const auto patch = random_patch(batch, side, side, random);
  with_type(batch, [&](auto* numbers) {
    auto* const image = numbers + index * image_numbers(batch);
    for_each(batch, patch, [&](int64_t offset) { image[offset] = 0; });
  });
}

double random_beta(double alpha, Random& random) {
  const double a = random_gamma(alpha, random), b = random_gamma(alpha, random);
  return a + b > 0 ? a / (a + b) : 0.5;
}

Mix mix_up(const torch::Tensor& batch, double alpha, Random& random) {
  const double weight = random_beta(alpha, random);
  const Mix mix{random_permutation(batch.size(0), Random(random.next())), weight};
  const int64_t size = image_numbers(batch);
  with_type(batch, [&](auto* numbers) {
    const auto before = copy_of(numbers, batch);
    using Wide = std::conditional_t<sizeof(*numbers) == sizeof(double), double, float>;
    const auto other = static_cast<Wide>(mix.weight), own = 1 - other;
    for (int64_t i = 0; i < batch.size(0); ++i) {
      const auto* const a = before.data() + i * size;
      const auto* const b = before.data() + mix.partners[static_cast<size_t>(i)] * size;
      for (int64_t k = 0; k < size; ++k) {
        numbers[i * size + k] = own * static_cast<Wide>(a[k]) + other * static_cast<Wide>(b[k]);
      }
    }
  });
  return mix;
}

Mix cut_mix(const torch::Tensor& batch, double alpha, Random& random) {
  const double side = std::sqrt(random_beta(alpha, random));
  const int64_t rows = batch.size(2), columns = batch.size(3);
  const auto patch = random_patch(batch, std::llround(side * static_cast<double>(rows)),
                                  std::llround(side * static_cast<double>(columns)), random);
  const auto covered = (patch.bottom - patch.top) * (patch.right - patch.left);
  const Mix mix{random_permutation(batch.size(0), Random(random.next())),
                static_cast<double>(covered) / static_cast<double>(rows * columns)};
  const int64_t size = image_numbers(batch);
  with_type(batch, [&](auto* numbers) {
    const auto before = copy_of(numbers, batch);
    for (int64_t i = 0; i < batch.size(0); ++i) {
      auto* const image = numbers + i * size;
      const auto* const partner = before.data() + mix.partners[static_cast<size_t>(i)] * size;
      for_each(batch, patch, [&](int64_t offset) { image[offset] = partner[offset]; });
    }
  });
  return mix;
}

}  // namespace bsq
