#include "bsq/kernels/norm_act_kernels.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>

#include "bsq/base/parallel.h"
#include "bsq/kernels/activation_kernels.h"
#include "bsq/kernels/norm_act_loops.h"

namespace bsq::norm_act {
namespace {

constexpr int64_t kChunk = 32768;  // elements, at least: its columns find each other's lines in the cache

/// How a tensor is cut: rows of whole pixels, chunks of whole rows.
struct Cut {
  int64_t channels, row, chunk, elements;

  explicit Cut(const torch::Tensor& x)
      : channels(x.size(1)),
        row(std::lcm(channels, kGroup)),
        chunk(row * std::max<int64_t>(1, kChunk / row)),
        elements(x.numel()) {}

  int64_t chunks() const { return (elements + chunk - 1) / chunk; }
  int64_t count(int64_t index) const { return std::min(chunk, elements - index * chunk); }
  int64_t pixels(int64_t index) const { return count(index) / channels; }

  std::vector<float> repeated(const std::vector<float>& channel_values) const {
    std::vector<float> result(static_cast<size_t>(row));
    for (int64_t j = 0; j < row; ++j) {
      result[static_cast<size_t>(j)] = channel_values[static_cast<size_t>(j % channels)];
    }
    return result;
  }

  /// What a row's sums come to in each channel.
  void fold(const std::vector<float>& sums, double* channel_sums) const {
    std::fill(channel_sums, channel_sums + channels, 0.0);
    for (int64_t j = 0; j < row; ++j) {
      channel_sums[j % channels] += sums[static_cast<size_t>(j)];
    }
  }
};

template <typename S>
S* at(const torch::Tensor& tensor, int64_t offset) {
  return tensor.defined() ? static_cast<S*>(tensor.data_ptr()) + offset : nullptr;
}

/// What a kernel reads and writes; those that it does not have are undefined.
struct Tensors {
  torch::Tensor x, residual, gradient, out, second_gradient = {};
};

/// Calls run(index, span) for every chunk, in parallel, with the span in the tensors' storage type.
template <typename Run>
void for_chunks(const Cut& cut, const Tensors& tensors, Run run) {
  const auto for_type = [&](auto type) {
    using S = decltype(type);
    parallel_for(0, cut.chunks(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t index = begin; index < end; ++index) {
        const int64_t first = index * cut.chunk;
        run(index, Span<S>{at<S>(tensors.x, first), at<S>(tensors.residual, first),
                           at<S>(tensors.gradient, first), at<S>(tensors.out, first), cut.count(index),
                           cut.row, at<S>(tensors.second_gradient, first)});
      }
    });
  };
  if (tensors.x.scalar_type() == torch::kFloat32) {
    for_type(float{});
  } else {
    for_type(Brain{});
  }
}

struct ChunkMoments {
  std::vector<double> mean, square;
  std::vector<float> least, largest;
};

float float_of(float value) { return value; }
float float_of(Brain value) {
  const uint32_t word = static_cast<uint32_t>(value.bits) << 16;
  float result;
  std::memcpy(&result, &word, sizeof result);
  return result;
}

// The mean of the first pixels: near enough to the channel's for sums of squared distances not to cancel.
template <typename S>
std::vector<float> centre_of(const Span<S>& span, const Cut& cut) {
  const int64_t pixels = std::min<int64_t>(span.count / cut.channels, 16);
  const auto channels = static_cast<size_t>(cut.channels);
  std::vector<float> centre(channels);
  for (int64_t pixel = 0; pixel < pixels; ++pixel) {
    for (size_t c = 0; c < channels; ++c) {
      centre[c] += float_of(span.x[pixel * cut.channels + static_cast<int64_t>(c)]);
    }
  }
  for (auto& value : centre) {
    value /= static_cast<float>(pixels);
  }
  return centre;
}

template <typename S>
ChunkMoments moments_of(const Span<S>& span, const Cut& cut) {
  const auto row = static_cast<size_t>(cut.row);
  const auto channels = static_cast<size_t>(cut.channels);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  ChunkMoments result{std::vector<double>(channels), std::vector<double>(channels),
                      std::vector<float>(channels, kInfinity), std::vector<float>(channels, -kInfinity)};
  const auto centre = centre_of(span, cut);
  const auto centres = cut.repeated(centre);
  std::vector<float> sum(row), square(row), least(row, kInfinity), largest(row, -kInfinity);
  loops_for(span).gather(span, {centres.data(), sum.data(), square.data(), least.data(), largest.data()});
  cut.fold(sum, result.mean.data());
  cut.fold(square, result.square.data());
  const auto pixels = static_cast<double>(span.count / cut.channels);
  for (size_t c = 0; c < channels; ++c) {
    const double offset = result.mean[c] / pixels;
    result.square[c] = std::max(0.0, result.square[c] - offset * offset * pixels);
    result.mean[c] = centre[c] + offset;
  }
  for (size_t j = 0; j < row; ++j) {
    result.least[j % channels] = std::min(result.least[j % channels], least[j]);
    result.largest[j % channels] = std::max(result.largest[j % channels], largest[j]);
  }
  return result;
}

// Chan, Golub, LeVeque: moments of two parts make the moments of the whole.
ChannelStatistics merge(const std::vector<ChunkMoments>& parts, const Cut& cut) {
  const auto channels = static_cast<size_t>(cut.channels);
  ChannelStatistics all{parts[0].mean, std::vector<double>(channels), parts[0].least, parts[0].largest};
  for (size_t c = 0; c < channels; ++c) {
    double pixels = static_cast<double>(cut.pixels(0));
    double square = parts[0].square[c];
    for (size_t part = 1; part < parts.size(); ++part) {
      const auto more = static_cast<double>(cut.pixels(static_cast<int64_t>(part)));
      const double distance = parts[part].mean[c] - all.mean[c];
      square += parts[part].square[c] + distance * distance * pixels * more / (pixels + more);
      pixels += more;
      all.mean[c] += distance * more / pixels;
      all.least[c] = std::min(all.least[c], parts[part].least[c]);
      all.largest[c] = std::max(all.largest[c], parts[part].largest[c]);
    }
    all.variance[c] = square / pixels;
  }
  return all;
}

struct RepeatedAffine {
  std::vector<float> slope, shift;
  Affine affine;

  RepeatedAffine(const Cut& cut, const ChannelAffine& channels, const Activation& activation)
      : slope(cut.repeated(channels.slope)),
        shift(cut.repeated(channels.shift)),
        affine{slope.data(), shift.data(), activation.low, activation.high} {}
};

Quantization quantization(const Affine& affine, double levels, float range) {
  if (levels <= 0) {
    return {affine, 0, -1, 0};
  }
  if (range < kSmallestRange) {
    return {affine, 0, 0, 0};
  }
  return {affine, range, static_cast<float>(levels / range), static_cast<float>(range / levels)};
}

}  // namespace

bool can_serve(const torch::Tensor& x) {
  const bool has_type = x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kBFloat16;
  return x.is_cpu() && has_type && x.dim() == 4 && x.numel() > 0;
}

ChannelStatistics channel_statistics(const torch::Tensor& x) {
  const Cut cut(x);
  std::vector<ChunkMoments> parts(static_cast<size_t>(cut.chunks()));
  for_chunks(cut, {x, {}, {}, {}}, [&](int64_t index, const auto& span) {
    parts[static_cast<size_t>(index)] = moments_of(span, cut);
  });
  return merge(parts, cut);
}

float largest_activation(const torch::Tensor& x, const torch::Tensor& residual, const ChannelAffine& affine,
                         const Activation& activation) {
  const Cut cut(x);
  const RepeatedAffine repeated(cut, affine, activation);
  std::atomic<bool> reached{false};
  std::vector<float> maxima(static_cast<size_t>(cut.chunks()), activation.low);
  for_chunks(cut, {x, residual, {}, {}}, [&](int64_t index, const auto& span) {
    if (reached.load(std::memory_order_relaxed)) {
      return;
    }
    std::vector<float> largest(static_cast<size_t>(cut.row), activation.low);
    loops_for(span).find_largest(span, {repeated.affine, largest.data()});
    auto& maximum = maxima[static_cast<size_t>(index)];
    maximum = *std::max_element(largest.begin(), largest.end());
    if (maximum >= activation.high) {
      reached.store(true, std::memory_order_relaxed);
    }
  });
  return std::min(*std::max_element(maxima.begin(), maxima.end()), activation.high);
}

float largest_activation(const ChannelStatistics& statistics, const ChannelAffine& affine,
                         const Activation& activation) {
  float maximum = activation.low;
  for (size_t c = 0; c < affine.slope.size(); ++c) {
    const float extreme = affine.slope[c] >= 0 ? statistics.largest[c] : statistics.least[c];
    maximum = std::max(maximum, extreme * affine.slope[c] + affine.shift[c]);
  }
  return std::min(maximum, activation.high);
}

torch::Tensor apply(const torch::Tensor& x, const torch::Tensor& residual, const ChannelAffine& affine,
                    const Activation& activation, float range) {
  const Cut cut(x);
  const RepeatedAffine repeated(cut, affine, activation);
  const auto numbers = quantization(repeated.affine, activation.levels, range);
  auto out = torch::empty_like(x, torch::MemoryFormat::ChannelsLast);
  for_chunks(cut, {x, residual, {}, out}, [&](int64_t, const auto& span) {
    residual.defined() ? loops_for(span).activate_sum(span, numbers)
                       : loops_for(span).activate(span, numbers);
  });
  return out;
}

GradientSums gradient_sums(const torch::Tensor& gradient, const torch::Tensor& second, const torch::Tensor& x,
                           const torch::Tensor& residual, const ChannelAffine& affine,
                           const std::vector<float>& mean, const Activation& activation) {
  const Cut cut(x);
  const auto channels = static_cast<size_t>(cut.channels);
  const RepeatedAffine repeated(cut, affine, activation);
  const auto means = cut.repeated(mean);
  GradientSums result{std::vector<double>(channels), std::vector<double>(channels), 0, {}};
  if (residual.defined() || second.defined()) {
    result.passed = torch::empty_like(x, torch::MemoryFormat::ChannelsLast);
  }
  std::vector<double> parts(static_cast<size_t>(cut.chunks()) * 3 * channels);
  for_chunks(cut, {x, residual, gradient, result.passed, second}, [&](int64_t index, const auto& span) {
    const auto width = static_cast<size_t>(cut.row);
    std::vector<float> sum(width), product(width), above(width);
    const GradientRow row{repeated.affine, means.data(), sum.data(), product.data(), above.data()};
    activation.closed ? loops_for(span).closed_sums(span, row) : loops_for(span).open_sums(span, row);
    double* part = parts.data() + static_cast<size_t>(index) * 3 * channels;
    cut.fold(sum, part);
    cut.fold(product, part + channels);
    cut.fold(above, part + 2 * channels);
  });
  for (size_t i = 0; i < parts.size(); i += 3 * channels) {
    for (size_t c = 0; c < channels; ++c) {
      result.sum[c] += parts[i + c];
      result.product[c] += parts[i + channels + c];
      result.above += parts[i + 2 * channels + c];
    }
  }
  return result;
}

torch::Tensor input_gradient(const torch::Tensor& gradient, bool is_passed, const torch::Tensor& x,
                             const ChannelAffine& affine, const InputGradientNumbers& numbers,
                             const Activation& activation) {
  const Cut cut(x);
  const RepeatedAffine repeated(cut, affine, activation);
  const auto mean = cut.repeated(numbers.mean);
  const auto gain = cut.repeated(numbers.gain);
  const auto tilt = cut.repeated(numbers.tilt);
  const auto level = cut.repeated(numbers.level);
  const InputGradient by_channel{repeated.affine, mean.data(), gain.data(), tilt.data(), level.data()};
  auto out = torch::empty_like(x, torch::MemoryFormat::ChannelsLast);
  for_chunks(cut, {x, {}, gradient, out}, [&](int64_t, const auto& span) {
    if (is_passed) {
      loops_for(span).passed_gradient(span, by_channel);
    } else if (activation.closed) {
      loops_for(span).closed_gradient(span, by_channel);
    } else {
      loops_for(span).open_gradient(span, by_channel);
    }
  });
  return out;
}

}  // namespace bsq::norm_act
