#include "bsq/train/phases.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <stdexcept>

namespace bsq {
namespace {

constexpr int64_t kLatest = int64_t{1} << 40;
constexpr double kMost = 1e6;

// Nothing for a text that is not a number from 0 to `most`.
std::optional<double> number_of(const std::string& text, double most) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool is_plain = text.find_first_not_of("0123456789.eE+-") == std::string::npos;
  const bool is_good = is_plain && !text.empty() && *end == '\0' && value >= 0 && value <= most;
  return is_good ? std::optional(value) : std::nullopt;
}

bool take_begin(TrainingPhase& phase, std::string text) {
  phase.in_steps = !text.empty() && text.back() == 's';
  if (phase.in_steps) {
    text.pop_back();
  }
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, phase.begin);
  return result.ec == std::errc() && result.ptr == end && phase.begin >= 0 && phase.begin <= kLatest;
}

bool take_rate(TrainingPhase& phase, const std::string& text) {
  const auto dots = text.find("..");
  phase.rate = number_of(text.substr(0, dots), kMost);
  if (dots != std::string::npos) {
    phase.end_rate = number_of(text.substr(dots + 2), kMost);
    return phase.rate && phase.end_rate;
  }
  return phase.rate.has_value();
}

bool take_setting(TrainingPhase& phase, const std::string& name, const std::string& value) {
  if (name == "lr" && !phase.rate) {
    return take_rate(phase, value);
  }
  if (name == "momentum" && !phase.momentum) {
    return (phase.momentum = number_of(value, /*most=*/1)).has_value();
  }
  if (name == "wd" && !phase.weight_decay) {
    return (phase.weight_decay = number_of(value, kMost)).has_value();
  }
  return false;
}

// Its first step in the run.
int64_t first_step(const TrainingPhase& phase, const StepPlace& place) {
  return phase.in_steps ? phase.begin : phase.begin * place.epoch_steps;
}

double rate_in(const TrainingPhase& phase, int64_t begin, int64_t end, int64_t step) {
  if (!phase.end_rate) {
    return *phase.rate;
  }
  const double part =
      static_cast<double>(step - begin) / static_cast<double>(std::max<int64_t>(end - begin, 1));
  return *phase.rate + (*phase.end_rate - *phase.rate) * std::min(part, 1.0);
}

}  // namespace

TrainingPhase training_phase_of(const std::string& text) {
  TrainingPhase phase;
  auto colon = text.find(':');
  bool is_good = colon != std::string::npos && take_begin(phase, text.substr(0, colon));
  while (is_good && colon != std::string::npos) {
    const auto next = text.find(':', colon + 1);
    const auto setting = text.substr(colon + 1, next == std::string::npos ? next : next - colon - 1);
    const auto equals = setting.find('=');
    is_good = equals != std::string::npos &&
              take_setting(phase, setting.substr(0, equals), setting.substr(equals + 1));
    colon = next;
  }
  if (!is_good) {
    throw std::invalid_argument("'" + text +
                                "'; expected BEGIN:NAME=VALUE, as 122:lr=1e-3:wd=0 or 0:lr=0..0.1; names are "
                                "lr, momentum and wd");
  }
  return phase;
}

std::vector<TrainingPhase> training_phases_of(const std::vector<std::string>& texts) {
  std::vector<TrainingPhase> phases;
  for (const auto& text : texts) {
    const auto phase = training_phase_of(text);
    if (!phases.empty() && phases.back().in_steps == phase.in_steps && phases.back().begin >= phase.begin) {
      throw std::invalid_argument("'" + text + "'; expected a phase that begins after the one before it");
    }
    phases.push_back(phase);
  }
  return phases;
}

StepSettings settings_at(const std::vector<TrainingPhase>& phases, const StepSettings& base,
                         const StepPlace& place) {
  auto settings = base;
  for (size_t i = 0; i < phases.size(); ++i) {
    const auto& phase = phases[i];
    const int64_t begin = first_step(phase, place);
    const int64_t end = i + 1 < phases.size() ? first_step(phases[i + 1], place)
                                              : std::max(place.epochs * place.epoch_steps, begin + 1);
    if (end <= begin) {
      throw std::invalid_argument("--phases: phase " + std::to_string(i + 2) + " begins at step " +
                                  std::to_string(end) + ", phase " + std::to_string(i + 1) + " at " +
                                  std::to_string(begin) + "; expected phases that begin one after the other");
    }
    if (place.step < begin) {
      continue;
    }
    settings.learning_rate =
        phase.rate ? rate_in(phase, begin, end, std::min(place.step, end)) : settings.learning_rate;
    settings.momentum = phase.momentum.value_or(settings.momentum);
    settings.weight_decay = phase.weight_decay.value_or(settings.weight_decay);
  }
  return settings;
}

}  // namespace bsq
