#include "bsq/infer/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "bsq/infer/finish.h"

namespace bsq::infer {
namespace {

/// One of the two holds numbers, (channels, height, width).
struct Numbers {
  std::vector<int32_t> codes;
  std::vector<float> reals;
};

class Run {
 public:
  Run(const Plan& plan, const std::vector<float>& image) : plan_(plan), numbers_(plan.values.size()) {
    numbers_[0].reals = image;
  }

  std::vector<float> logits() {
    for (const auto& step : plan_.steps) {
      auto& out = numbers_[static_cast<size_t>(step.output)];
      const auto numel = static_cast<size_t>(value(step.output).numel());
      (value(step.output).is_codes ? out.codes.resize(numel) : out.reals.resize(numel));
      compute(step);
    }
    std::vector<float> logits;
    for (int64_t c = 0; c < value(plan_.output).channels; ++c) {
      logits.push_back(real(plan_.output, c));
    }
    return logits;
  }

 private:
  const Value& value(int index) const { return plan_.values[static_cast<size_t>(index)]; }
  static int64_t place(const Value& of, int64_t c, int64_t y, int64_t x) {
    return (c * of.height + y) * of.width + x;
  }
  int32_t code(int index, int64_t at) const {
    return numbers_[static_cast<size_t>(index)].codes[static_cast<size_t>(at)];
  }
  float real(int index, int64_t at) const {
    const auto& of = value(index);
    return of.is_codes ? of.step * static_cast<float>(code(index, at))
                       : numbers_[static_cast<size_t>(index)].reals[static_cast<size_t>(at)];
  }
  /// A code as it is, or a real number.
  float plain(int index, int64_t at) const {
    return value(index).is_codes ? static_cast<float>(code(index, at)) : real(index, at);
  }
  void store(int index, int64_t at, float plain) {
    auto& to = numbers_[static_cast<size_t>(index)];
    if (value(index).is_codes) {
      to.codes[static_cast<size_t>(at)] = static_cast<int32_t>(plain);
    } else {
      to.reals[static_cast<size_t>(at)] = plain;
    }
  }

  void compute(const Step& step) {
    switch (step.kind) {
      case StepKind::kLayer:
      case StepKind::kPointwise:
        compute_sums(step);
        break;
      case StepKind::kMaxPool:
      case StepKind::kAveragePool:
        pool(step);
        break;
      case StepKind::kGlobalPool:
        pool_all(step);
        break;
      default:
        move(step);
    }
  }

  // One sum of a layer, in the type in which it is exact.
  float sum(const Step& step, int64_t c, int64_t y, int64_t x) const {
    const int input = step.inputs[0];
    const auto& in = value(input);
    const int64_t group = c / (value(step.output).channels / step.groups);
    const int64_t per_group = in.channels / step.groups;
    int32_t whole = 0;
    float real_sum = 0;
    for (int64_t ky = 0; ky < step.kernel; ++ky) {
      for (int64_t kx = 0; kx < step.kernel; ++kx) {
        const int64_t iy = y * step.stride + ky - step.padding, ix = x * step.stride + kx - step.padding;
        if (iy < 0 || iy >= in.height || ix < 0 || ix >= in.width) {
          continue;
        }
        for (int64_t i = 0; i < per_group; ++i) {
          const auto w = static_cast<size_t>(((c * per_group + i) * step.kernel + ky) * step.kernel + kx);
          const int64_t at = place(in, group * per_group + i, iy, ix);
          if (step.is_integer) {
            whole += int32_t{step.codes[w]} * code(input, at);
          } else {
            real_sum = std::fma(real(input, at), step.weights[w], real_sum);
          }
        }
      }
    }
    return step.is_integer ? static_cast<float>(whole) : real_sum;
  }

  void compute_sums(const Step& step) {
    const auto& out = value(step.output);
    for (int64_t c = 0; c < out.channels; ++c) {
      for (int64_t y = 0; y < out.height; ++y) {
        for (int64_t x = 0; x < out.width; ++x) {
          const int64_t at = place(out, c, y, x);
          const float found = step.kind == StepKind::kLayer ? sum(step, c, y, x) : plain(step.inputs[0], at);
          float result = step.gain[static_cast<size_t>(c)] * found + step.shift[static_cast<size_t>(c)];
          if (step.residual >= 0) {
            result += real(step.residual, at);
          }
          store(step.output, at,
                out.is_codes ? static_cast<float>(code_of(result, step.finish))
                             : finished(result, step.finish));
        }
      }
    }
  }

  void pool(const Step& step) {
    const int input = step.inputs[0];
    const auto& in = value(input);
    const auto& out = value(step.output);
    const bool is_maximum = step.kind == StepKind::kMaxPool;
    const auto count = static_cast<float>(step.kernel * step.kernel);
    for (int64_t c = 0; c < out.channels; ++c) {
      for (int64_t y = 0; y < out.height; ++y) {
        for (int64_t x = 0; x < out.width; ++x) {
          float result = is_maximum ? -std::numeric_limits<float>::infinity() : 0;
          for (int64_t iy = y * step.stride - step.padding; iy < y * step.stride - step.padding + step.kernel;
               ++iy) {
            for (int64_t ix = x * step.stride - step.padding;
                 ix < x * step.stride - step.padding + step.kernel; ++ix) {
              if (iy >= 0 && iy < in.height && ix >= 0 && ix < in.width) {
                const float found = plain(input, place(in, c, iy, ix));
                result = is_maximum ? std::max(result, found) : result + found;
              }
            }
          }
          const float unit = in.is_codes ? in.step : 1.0F;
          store(step.output, place(out, c, y, x), is_maximum ? result : result * unit / count);
        }
      }
    }
  }

  void pool_all(const Step& step) {
    const auto& in = value(step.inputs[0]);
    const int64_t pixels = in.height * in.width;
    for (int64_t c = 0; c < in.channels; ++c) {
      float sum = 0;
      for (int64_t i = 0; i < pixels; ++i) {
        sum += plain(step.inputs[0], c * pixels + i);
      }
      store(step.output, c, sum * (in.is_codes ? in.step : 1.0F) / static_cast<float>(pixels));
    }
  }

  // Concatenation, channels of zeros, flattening: numbers move, in this order of memory one after the other.
  void move(const Step& step) {
    const auto& out = value(step.output);
    int64_t to = step.kind == StepKind::kPadChannels ? step.before * out.height * out.width : 0;
    for (const int input : step.inputs) {
      for (int64_t i = 0; i < value(input).numel(); ++i) {
        store(step.output, to++, out.is_codes ? plain(input, i) : real(input, i));
      }
    }
  }

  const Plan& plan_;
  std::vector<Numbers> numbers_;
};

}  // namespace

std::vector<float> run_reference(const Plan& plan, const std::vector<float>& image) {
  if (static_cast<int64_t>(image.size()) != plan.values[0].numel()) {
    throw std::invalid_argument("an image of " + std::to_string(image.size()) + " numbers; expected " +
                                std::to_string(plan.values[0].numel()));
  }
  return Run(plan, image).logits();
}

}  // namespace bsq::infer
