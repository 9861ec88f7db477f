#include "bsq/data/resample.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "bsq/base/vector_variants.h"

namespace bsq {
namespace {

/// Which pixels make an output pixel: `count` of them from `first` on, weights from `weights` on.
struct Taps {
  int64_t first, count;
  const float* weights;
};

/// The taps of a line of output pixels.
class Filter {
 public:
  /// `low` and `high` bound the pixels that it may look at.
  Filter(double begin, double length, int64_t outputs, int64_t low, int64_t high) {
    const double step = length / static_cast<double>(outputs);
    const double reach = std::max(step, 1.0);
    for (int64_t i = 0; i < outputs; ++i) {
      const double centre = begin + (static_cast<double>(i) + 0.5) * step;
      const auto first = std::clamp(static_cast<int64_t>(std::floor(centre - reach + 0.5)), low, high - 1);
      const auto last = std::clamp(static_cast<int64_t>(std::floor(centre + reach + 0.5)), first + 1, high);
      add(first, last, centre, reach);
    }
  }

  Taps operator[](int64_t i) const {
    const auto& line = lines_[static_cast<size_t>(i)];
    return {line.first, line.count, weights_.data() + line.begin};
  }

 private:
  struct Line {
    int64_t first, count;
    size_t begin;
  };

  void add(int64_t first, int64_t last, double centre, double reach) {
    const size_t begin = weights_.size();
    double sum = 0;
    for (int64_t i = first; i < last; ++i) {
      const double weight = std::max(0.0, 1 - std::abs(static_cast<double>(i) + 0.5 - centre) / reach);
      weights_.push_back(static_cast<float>(weight));
      sum += weight;
    }
    for (size_t i = begin; i < weights_.size(); ++i) {
      weights_[i] = sum > 0 ? static_cast<float>(weights_[i] / sum) : 1.0F / static_cast<float>(last - first);
    }
    lines_.push_back({first, last - first, begin});
  }

  std::vector<Line> lines_;
  std::vector<float> weights_;
};

// The sum of rows, each of `length` bytes, `stride` bytes apart.
BSQ_VECTOR_VARIANTS void mix_rows(const uint8_t* rows, int64_t stride, int64_t length, const Taps& taps,
                                  float* sum) {
  std::fill(sum, sum + length, 0.0F);
  for (int64_t t = 0; t < taps.count; ++t) {
    const uint8_t* const row = rows + t * stride;
    const float weight = taps.weights[t];
    for (int64_t i = 0; i < length; ++i) {
      sum[i] += weight * static_cast<float>(row[i]);
    }
  }
}

// Three channels, and a fourth number that nobody reads: four fill a vector.
struct Pixel {
  float channels[4];
};

BSQ_INLINE Pixel mix_pixels(const float* pixels, const Taps& taps) {
  Pixel sum{};
  for (int64_t t = 0; t < taps.count; ++t) {
    const float* const pixel = pixels + 3 * t;
    const float weight = taps.weights[t];
    for (int c = 0; c < 4; ++c) {
      sum.channels[c] += weight * pixel[c];
    }
  }
  return sum;
}

uint8_t byte_of(float value) { return static_cast<uint8_t>(std::clamp(value + 0.5F, 0.0F, 255.0F)); }

// Of a side of the picture: the pixels that the filter may look at.
std::pair<int64_t, int64_t> bounds(double begin, double length, bool is_cut, int64_t pixels) {
  if (!is_cut) {
    return {0, pixels};
  }
  const auto first = std::clamp<int64_t>(std::llround(begin), 0, pixels - 1);
  return {first, std::clamp<int64_t>(std::llround(begin + length), first + 1, pixels)};
}

}  // namespace

void resample(const Picture& picture, const Box& from, bool is_cut, ImageSize size, uint8_t* planes) {
  const double top = from.top * picture.scale - static_cast<double>(picture.top);
  const double left = from.left * picture.scale - static_cast<double>(picture.left);
  const double height = from.height * picture.scale, width = from.width * picture.scale;
  const auto [first_row, last_row] = bounds(top, height, is_cut, picture.size.height);
  const auto [first_column, last_column] = bounds(left, width, is_cut, picture.size.width);
  const Filter down(top, height, size.height, first_row, last_row);
  const Filter across(left, width, size.width, first_column, last_column);
  const int64_t stride = 3 * picture.size.width;
  std::vector<float> row(static_cast<size_t>(stride) + 1);
  for (int64_t y = 0; y < size.height; ++y) {
    const auto taps = down[y];
    mix_rows(picture.pixels.data() + taps.first * stride, stride, stride, taps, row.data());
    uint8_t* const out = planes + y * size.width;
    for (int64_t x = 0; x < size.width; ++x) {
      const auto columns = across[x];
      const auto pixel = mix_pixels(row.data() + 3 * columns.first, columns);
      for (int64_t channel = 0; channel < 3; ++channel) {
        out[channel * size.height * size.width + x] = byte_of(pixel.channels[channel]);
      }
    }
  }
}

}  // namespace bsq
