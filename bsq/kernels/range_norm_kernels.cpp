#include "bsq/kernels/range_norm_kernels.h"

#include <torch/utils.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "bsq/base/parallel.h"
#include "bsq/base/vector_variants.h"

namespace bsq {
namespace {

constexpr int64_t kBlockRows = 512;  // float32 sums of so many rows are added in float64

int64_t channels_of(const torch::Tensor& x) { return x.size(1); }
int64_t rows_of(const torch::Tensor& x) { return x.numel() / std::max<int64_t>(channels_of(x), 1); }

/// What has been seen of a chunk, channel by channel.
struct ChunkState {
  std::vector<float> low, high, sum;
  std::vector<int32_t> low_row, high_row;
  std::vector<double> total;

  explicit ChunkState(int64_t channels)
      : low(channels, std::numeric_limits<float>::infinity()),
        high(channels, -std::numeric_limits<float>::infinity()),
        sum(channels),
        low_row(channels),
        high_row(channels),
        total(channels) {}

  void add_block() {
    for (size_t c = 0; c < sum.size(); ++c) {
      total[c] += sum[c];
      sum[c] = 0;
    }
  }
};

struct ChunkPointers {
  float *low, *high, *sum;
  int32_t *low_row, *high_row;
};

// A row is taken where it is beyond all before it: the first of equals stays.
BSQ_VECTOR_VARIANTS void see_rows(const float* x, int32_t first, int32_t last, int64_t channels,
                                  ChunkPointers to) {
  float *low = to.low, *high = to.high, *sum = to.sum;
  int32_t *low_row = to.low_row, *high_row = to.high_row;
  for (int32_t row = first; row < last; ++row) {
    const float* values = x + row * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) {
      const float value = values[c];
      sum[c] += value;
      low_row[c] = value < low[c] ? row : low_row[c];
      low[c] = value < low[c] ? value : low[c];
      high_row[c] = value > high[c] ? row : high_row[c];
      high[c] = value > high[c] ? value : high[c];
    }
  }
}

ChunkState see_chunk(const float* x, int64_t rows, int64_t channels) {
  ChunkState state(channels);
  for (int64_t first = 0; first < rows; first += kBlockRows) {
    see_rows(
        x, static_cast<int32_t>(first), static_cast<int32_t>(std::min(first + kBlockRows, rows)), channels,
        {state.low.data(), state.high.data(), state.sum.data(), state.low_row.data(), state.high_row.data()});
    state.add_block();
  }
  return state;
}

BSQ_VECTOR_VARIANTS void normalize_rows(const float* x, float* out, int64_t rows, int64_t channels,
                                        const float* mean, const float* factor, const float* shift) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* in = x + row * channels;
    float* to = out + row * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) {
      to[c] = (in[c] - mean[c]) * factor[c] + shift[c];
    }
  }
}

BSQ_VECTOR_VARIANTS void sum_rows(const float* gradient, const float* x, int64_t rows, int64_t channels,
                                  const float* mean, float* sum, float* product) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* g = gradient + row * channels;
    const float* in = x + row * channels;
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) {
      sum[c] += g[c];
      product[c] += g[c] * (in[c] - mean[c]);
    }
  }
}

torch::Tensor channel_vector(const std::vector<double>& values) {
  return torch::tensor(values, torch::kFloat64).to(torch::kFloat32);
}

void add_to(std::vector<double>& totals, const std::vector<float>& values, size_t offset) {
  for (size_t c = 0; c < totals.size(); ++c) {
    totals[c] += static_cast<double>(values[offset + c]);
  }
}

}  // namespace

bool can_use_range_norm_kernels(const torch::Tensor& x) {
  const bool has_rows =
      x.dim() == 2 ? x.is_contiguous() : x.dim() == 4 && x.is_contiguous(torch::MemoryFormat::ChannelsLast);
  return x.is_cpu() && x.scalar_type() == torch::kFloat32 && has_rows &&
         rows_of(x) <= std::numeric_limits<int32_t>::max();
}

RangeStatistics range_statistics_kernel(const torch::Tensor& x, int64_t chunks) {
  const int64_t channels = channels_of(x), length = rows_of(x) / chunks;
  const float* data = x.data_ptr<float>();
  RangeStatistics result;
  result.low_row = torch::empty({chunks, channels}, torch::kInt64);
  result.high_row = torch::empty({chunks, channels}, torch::kInt64);
  std::vector<ChunkState> states(static_cast<size_t>(chunks), ChunkState(0));
  parallel_for(0, chunks, /*grain=*/1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      states[static_cast<size_t>(i)] = see_chunk(data + i * length * channels, length, channels);
    }
  });
  std::vector<double> mean(channels), low(channels), high(channels);
  for (int64_t i = 0; i < chunks; ++i) {
    const auto& state = states[static_cast<size_t>(i)];
    for (int64_t c = 0; c < channels; ++c) {
      mean[c] += state.total[c] / static_cast<double>(length * chunks);
      low[c] += static_cast<double>(state.low[c]) / static_cast<double>(chunks);
      high[c] += static_cast<double>(state.high[c]) / static_cast<double>(chunks);
      result.low_row.data_ptr<int64_t>()[i * channels + c] = i * length + state.low_row[c];
      result.high_row.data_ptr<int64_t>()[i * channels + c] = i * length + state.high_row[c];
    }
  }
  result.mean = channel_vector(mean);
  result.low = channel_vector(low);
  result.high = channel_vector(high);
  return result;
}

torch::Tensor normalize_kernel(const torch::Tensor& x, const torch::Tensor& mean, const torch::Tensor& factor,
                               const torch::Tensor& shift) {
  const int64_t channels = channels_of(x);
  auto out = torch::empty_like(x);
  const auto own_mean = mean.contiguous(), own_factor = factor.contiguous(), own_shift = shift.contiguous();
  const float* in = x.data_ptr<float>();
  float* to = out.data_ptr<float>();
  parallel_for(0, rows_of(x), kBlockRows, [&](int64_t first, int64_t last) {
    normalize_rows(in + first * channels, to + first * channels, last - first, channels,
                   own_mean.data_ptr<float>(), own_factor.data_ptr<float>(), own_shift.data_ptr<float>());
  });
  return out;
}

GradientSums gradient_sums_kernel(const torch::Tensor& gradient, const torch::Tensor& x,
                                  const torch::Tensor& mean) {
  const int64_t channels = channels_of(x), rows = rows_of(x);
  const int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  std::vector<float> sums(static_cast<size_t>(blocks * channels)), products(sums.size());
  const auto own_mean = mean.contiguous();
  const float *g = gradient.data_ptr<float>(), *in = x.data_ptr<float>();
  parallel_for(0, blocks, /*grain=*/1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t begin = i * kBlockRows;
      sum_rows(g + begin * channels, in + begin * channels, std::min(kBlockRows, rows - begin), channels,
               own_mean.data_ptr<float>(), &sums[static_cast<size_t>(i * channels)],
               &products[static_cast<size_t>(i * channels)]);
    }
  });
  std::vector<double> sum(channels), product(channels);
  for (int64_t i = 0; i < blocks; ++i) {
    add_to(sum, sums, static_cast<size_t>(i * channels));
    add_to(product, products, static_cast<size_t>(i * channels));
  }
  return {channel_vector(sum), channel_vector(product)};
}

}  // namespace bsq
