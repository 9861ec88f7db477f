#include "tools/bench/ratios.h"

#include <algorithm>

namespace bsq::bench {
namespace {

struct Ratio {
  const char* name;
  std::string above, below;
  bool is_of_memory = false;
};

std::vector<Ratio> ratio_list() {
  const auto one = [](const char* variant) { return with_threads(variant, 1); };
  return {{"naive_over_fast_fp32", "naive/fp32", "fast/fp32"},
          {"naive_fp32_over_fast_bf16", "naive/fp32", "fast/bf16"},
          {"naive_over_fast_bf16", "naive/bf16", "fast/bf16"},
          {"bsq_over_float_fp32", "fast/fp32", "float/fp32"},
          {"bsq_over_float_bf16", "fast/bf16", "float/bf16"},
          {"int8_over_float_fp32", "int8/fp32", "float/fp32"},
          {"int8_over_float_bf16", "int8/bf16", "float/bf16"},
          {"fp32_over_convolutions", "fast/fp32", "convolutions/fp32"},
          {"bf16_over_convolutions", "fast/bf16", "convolutions/bf16"},
          {"memory_over_float", "fast/fp32", "float/fp32", true},
          {"memory_over_float_bf16", "fast/bf16", "float/bf16", true},
          {"two_threads_over_one", one("fast/bf16"), "fast/bf16"},
          {"two_threads_over_one_convolutions", one("convolutions/bf16"), "convolutions/bf16"},
          {"evaluate_naive_fp32_over_fast_bf16", "evaluate_naive/fp32", "evaluate_fast/bf16"},
          {"evaluate_naive_over_fast_fp32", "evaluate_naive/fp32", "evaluate_fast/fp32"}};
}

}  // namespace

double Measurement::median() const {
  auto sorted = seconds;
  std::sort(sorted.begin(), sorted.end());
  const auto count = sorted.size();
  return count == 0 ? 0 : (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

std::vector<std::pair<std::string, double>> ratios(const std::map<std::string, Measurement>& measurements) {
  std::vector<std::pair<std::string, double>> values;
  for (const auto& ratio : ratio_list()) {
    const auto above = measurements.find(ratio.above);
    const auto below = measurements.find(ratio.below);
    if (above == measurements.end() || below == measurements.end()) {
      continue;
    }
    const auto value = [&](const Measurement& m) { return ratio.is_of_memory ? m.peak_memory : m.median(); };
    values.emplace_back(ratio.name, value(above->second) / value(below->second));
  }
  return values;
}

std::string with_threads(const std::string& variant, int threads) {
  return variant + "/threads:" + std::to_string(threads);
}

}  // namespace bsq::bench
