#include "bsq/data/image_writer.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "bsq/data/random.h"

namespace bsq {
namespace {

constexpr int64_t kBytes = 256;

torch::Tensor normalization_table(const Normalization& normalization) {
  const torch::Tensor table = torch::empty({3, kBytes}, torch::kFloat32);
  auto values = table.accessor<float, 2>();
  for (int64_t channel = 0; channel < 3; ++channel) {
    for (int64_t byte = 0; byte < kBytes; ++byte) {
      const float unit = static_cast<float>(byte) / 255.0F;
      values[channel][byte] = (unit - normalization.mean[channel]) / normalization.std[channel];
    }
  }
  return table;
}

// Row `y` of the placed channel: `row` gets `width` bytes.
void place_row(const uint8_t* channel, int64_t height, int64_t width, const Placement& placement, int64_t y,
               uint8_t* row) {
  const int64_t source_y = y + placement.top;
  const int64_t shift = placement.left;
  const int64_t begin = std::clamp<int64_t>(-shift, 0, width);
  const int64_t end = std::clamp<int64_t>(width - shift, begin, width);
  std::fill(row, row + width, uint8_t{0});
  if (source_y >= 0 && source_y < height && begin < end) {
    const uint8_t* const source = channel + (source_y * width + shift + begin);
    std::copy(source, source + (end - begin), row + begin);
  }
  if (placement.flip) {
    std::reverse(row, row + width);
  }
}

template <typename T>
void write_image(const uint8_t* image, const Placement& placement, const T* table, const torch::Tensor& batch,
                 int64_t index) {
  const int64_t height = batch.size(2);
  const int64_t width = batch.size(3);
  const int64_t step = batch.stride(3);
  T* const target = batch.data_ptr<T>() + index * batch.stride(0);
  std::vector<uint8_t> row(static_cast<size_t>(width));
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t channel = 0; channel < 3; ++channel) {
      place_row(image + channel * height * width, height, width, placement, y, row.data());
      const T* const values = table + channel * kBytes;
      T* const out = target + channel * batch.stride(1) + y * batch.stride(2);
      for (int64_t x = 0; x < width; ++x) {
        out[x * step] = values[row[static_cast<size_t>(x)]];
      }
    }
  }
}

}  // namespace

Placement random_placement(uint64_t seed, int64_t epoch, int64_t position, int64_t border) {
  Random random(seed, RandomPurpose::kPlacement, static_cast<uint64_t>(epoch),
                static_cast<uint64_t>(position));
  Placement placement;
  placement.top = random.below(2 * border + 1) - border;
  placement.left = random.below(2 * border + 1) - border;
  placement.flip = random.below(2) == 1;
  return placement;
}

ImageWriter::ImageWriter(const Normalization& normalization, torch::ScalarType type) {
  if (type != torch::kFloat32 && type != torch::kFloat64 && type != torch::kBFloat16) {
    throw std::invalid_argument("batches are float32, float64 or bfloat16");
  }
  table_ = normalization_table(normalization).to(type);
}

void ImageWriter::write(const uint8_t* image, const Placement& placement, const torch::Tensor& batch,
                        int64_t index) const {
  if (table_.scalar_type() == torch::kFloat32) {
    write_image(image, placement, table_.data_ptr<float>(), batch, index);
  } else if (table_.scalar_type() == torch::kFloat64) {
    write_image(image, placement, table_.data_ptr<double>(), batch, index);
  } else {
    write_image(image, placement, table_.data_ptr<c10::BFloat16>(), batch, index);
  }
}

}  // namespace bsq
