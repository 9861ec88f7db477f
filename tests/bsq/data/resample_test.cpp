#include "bsq/data/resample.h"

#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "tests/support.h"

namespace bsq {
namespace {

// The weights of one output pixel over `pixels`, in double.
std::vector<double> weights_of(double begin, double length, int64_t outputs, int64_t output, int64_t low,
                               int64_t high, int64_t pixels) {
  const double step = length / static_cast<double>(outputs), reach = std::max(step, 1.0);
  const double centre = begin + (static_cast<double>(output) + 0.5) * step;
  std::vector<double> weights(static_cast<size_t>(pixels), 0.0);
  double sum = 0;
  for (int64_t i = low; i < high; ++i) {
    weights[static_cast<size_t>(i)] =
        std::max(0.0, 1 - std::abs(static_cast<double>(i) + 0.5 - centre) / reach);
    sum += weights[static_cast<size_t>(i)];
  }
  for (auto& weight : weights) {
    weight /= sum;
  }
  return weights;
}

torch::Tensor slow(const Picture& picture, const Box& from, bool is_cut, ImageSize size) {
  const auto line = [&](double begin, double length, int64_t outputs, int64_t pixels) {
    const int64_t low = is_cut ? std::llround(begin) : 0,
                  high = is_cut ? std::llround(begin + length) : pixels;
    std::vector<torch::Tensor> lines;
    for (int64_t i = 0; i < outputs; ++i) {
      lines.push_back(
          torch::tensor(weights_of(begin, length, outputs, i, low, high, pixels), torch::kFloat64));
    }
    return torch::stack(lines);
  };
  const auto pixels = torch::tensor(at::ArrayRef<uint8_t>(picture.pixels))
                          .view({picture.size.height, picture.size.width, 3})
                          .permute({2, 0, 1})
                          .to(torch::kFloat64);
  const auto down = line(from.top * picture.scale - static_cast<double>(picture.top),
                         from.height * picture.scale, size.height, picture.size.height);
  const auto across = line(from.left * picture.scale - static_cast<double>(picture.left),
                           from.width * picture.scale, size.width, picture.size.width);
  return down.matmul(pixels).matmul(across.t());
}

struct Case {
  Picture picture;
  Box from;
  bool is_cut;
  ImageSize size;
};

Picture random_picture(int64_t height, int64_t width) {
  const auto bytes = torch::randint(0, 256, {height * width * 3}, torch::kUInt8);
  Picture picture;
  picture.pixels.assign(bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + bytes.numel());
  picture.size = {height, width};
  return picture;
}

TEST(Resample, IsTheTriangleFilter) {
  torch::manual_seed(1);
  auto part = random_picture(30, 41);
  part.top = 10;
  part.left = 16;
  part.scale = 0.5;
  const std::vector<Case> cases = {{random_picture(40, 50), {0, 0, 40, 50}, false, {16, 16}},
                                   {random_picture(40, 50), {3, 7, 20, 31}, true, {16, 12}},
                                   {random_picture(40, 50), {3, 7, 20, 31}, false, {16, 12}},
                                   {random_picture(9, 7), {1, 1, 5, 4}, true, {16, 16}},
                                   {random_picture(40, 50), {2.5, 6.25, 30.5, 29.75}, false, {13, 14}},
                                   {part, {24, 36, 50, 70}, false, {20, 20}},
                                   {random_picture(5, 5), {2, 2, 1, 1}, true, {3, 3}}};
  for (const auto& [picture, from, is_cut, size] : cases) {
    const auto planes = torch::empty({3, size.height, size.width}, torch::kUInt8);
    resample(picture, from, is_cut, size, planes.data_ptr<uint8_t>());
    const auto difference = planes.to(torch::kFloat64) - slow(picture, from, is_cut, size);
    EXPECT_LT(difference.abs().max().item<double>(), 0.501);
  }
}

TEST(Resample, KeepsAPictureOfItsSize) {
  torch::manual_seed(2);
  const auto picture = random_picture(11, 13);
  const auto planes = torch::empty({3, 11, 13}, torch::kUInt8);
  resample(picture, {0, 0, 11, 13}, /*is_cut=*/false, {11, 13}, planes.data_ptr<uint8_t>());
  const auto whole =
      torch::tensor(at::ArrayRef<uint8_t>(picture.pixels)).view({11, 13, 3}).permute({2, 0, 1});
  EXPECT_TRUE(torch::equal(planes, whole));
}

}  // namespace
}  // namespace bsq
