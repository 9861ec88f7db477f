#include "bsq/data/synthetic.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "bsq/data/random.h"

namespace bsq {
namespace {

constexpr int64_t kSyntheticSide = 32;
constexpr int64_t kArea = kSyntheticSide * kSyntheticSide;
constexpr int64_t kClasses = 10;
constexpr int64_t kUnit = 16;  // lengths are in sixteenths of a pixel
// Figures that hardly stand out from the noise: they keep the best networks below 100 %.
constexpr int64_t kImagesPerFaintOne = 20;

struct Figure {
  int64_t kind;
  int64_t x, y;       // the centre
  int64_t radius;     // half of the side of the box that holds the figure
  int64_t thickness;  // of lines
  int64_t period;     // of stripes, squares and dots
  int64_t phase_x, phase_y;
};

Figure random_figure(int64_t kind, Random& random) {
  Figure figure{};
  figure.kind = kind;
  figure.x = random.between(12 * kUnit, 19 * kUnit);
  figure.y = random.between(12 * kUnit, 19 * kUnit);
  figure.radius = random.between(7 * kUnit, 11 * kUnit);
  figure.thickness = random.between(figure.radius / 4, figure.radius * 2 / 5);
  figure.period = random.between(4 * kUnit, 7 * kUnit);
  figure.phase_x = random.below(figure.period);
  figure.phase_y = random.below(figure.period);
  return figure;
}

// Whether the point at (u, v) from the centre of a box of the figure's radius, v downwards, belongs to the
// figure.
bool inside(const Figure& figure, int64_t u, int64_t v) {
  const int64_t r = figure.radius;
  const int64_t t = figure.thickness;
  const int64_t far = std::max(std::abs(u), std::abs(v));
  const int64_t square = u * u + v * v;
  // The box is at most 22 pixels wide: r added makes the positions in a pattern positive.
  const int64_t column = (u + r + figure.phase_x) % figure.period;
  const int64_t row = (v + r + figure.phase_y) % figure.period;
  const int64_t half = figure.period / 2;
  const int64_t from_dot = (column - half) * (column - half) + (row - half) * (row - half);
  switch (figure.kind) {
    case 0:
      return row < half;
    case 1:
      return column < half;
    case 2:
      return (row < half) != (column < half);
    case 3:
      return square < r * r;
    case 4:
      return square < r * r && square >= (r - t) * (r - t);
    case 5:
      return far >= r - t;
    case 6:
      return std::min(std::abs(u), std::abs(v)) < t / 2;
    case 7:
      return std::abs(std::abs(u) - std::abs(v)) < t * 3 / 4;
    case 8:
      return 2 * std::abs(u) < v + r;
    default:
      return 10 * from_dot < figure.period * figure.period;
  }
}

struct Colors {
  std::array<int64_t, 3> ground;
  std::array<int64_t, 3> ink;  // added to the ground; lighter as often as darker
  int64_t noise;               // largest deviation of a byte
};

Colors random_colors(Random& random) {
  Colors colors{};
  const int64_t sign = random.below(2) == 0 ? -1 : 1;
  const bool faint = random.below(kImagesPerFaintOne) == 0;
  const int64_t contrast = faint ? random.between(5, 40) : random.between(50, 140);
  for (int64_t channel = 0; channel < 3; ++channel) {
    const int64_t share = random.between(30, 100);
    colors.ground[channel] = random.between(80, 175);
    colors.ink[channel] = sign * contrast * share / 100;
  }
  colors.noise = faint ? random.between(40, 80) : random.between(5, 38);
  return colors;
}

void draw(const Figure& figure, const Colors& colors, Random& random, uint8_t* image) {
  for (int64_t i = 0; i < kArea; ++i) {
    const int64_t u = i % kSyntheticSide * kUnit - figure.x;
    const int64_t v = i / kSyntheticSide * kUnit - figure.y;
    const bool ink = std::max(std::abs(u), std::abs(v)) < figure.radius && inside(figure, u, v);
    for (int64_t channel = 0; channel < 3; ++channel) {
      const int64_t value = colors.ground[channel] + (ink ? colors.ink[channel] : 0) +
                            random.between(-colors.noise, colors.noise);
      image[channel * kArea + i] = static_cast<uint8_t>(std::clamp<int64_t>(value, 0, 255));
    }
  }
}

}  // namespace

ImageDataset draw_synthetic(uint64_t seed, SyntheticSplit split, int64_t count) {
  ImageDataset data{torch::empty({count, 3, kSyntheticSide, kSyntheticSide}, torch::kUInt8),
                    torch::empty({count}, torch::kInt64), kClasses};
  uint8_t* const images = data.images.data_ptr<uint8_t>();
  int64_t* const labels = data.labels.data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    Random random(seed, RandomPurpose::kSynthetic, static_cast<uint64_t>(split), static_cast<uint64_t>(i));
    labels[i] = i % kClasses;
    const Figure figure = random_figure(labels[i], random);
    const Colors colors = random_colors(random);
    draw(figure, colors, random, images + i * 3 * kArea);
  }
  return data;
}

DatasetSplits load_synthetic(uint64_t seed) {
  DatasetSplits splits;
  splits.train = draw_synthetic(seed, SyntheticSplit::kTrain, kSyntheticTrainImages);
  splits.test = draw_synthetic(seed, SyntheticSplit::kTest, kSyntheticTestImages);
  splits.class_names = {
      "horizontal stripes", "vertical stripes", "checkerboard", "disk", "ring", "square outline", "plus",
      "diagonal cross",     "triangle",         "grid of dots"};
  return splits;
}

}  // namespace bsq
