#include "tools/sweep/seeds.h"

#include <algorithm>
#include <iomanip>
#include <map>
#include <sstream>

namespace bsq::cli {
namespace {

// A point's name without its seed; "" where it has none.
std::string name_without_seed(const Job& job) {
  for (const auto& [flag, value] : job.values) {
    const auto word = name_of({{flag, value}});
    const auto at = flag == "seed" ? job.name.find(word) : std::string::npos;
    if (at != std::string::npos) {
      auto name = job.name;
      const size_t dash = at > 0 ? 1 : 0;
      return name.erase(at - dash, word.size() + dash);
    }
  }
  return "";
}

template <typename Value>
Spread spread_over(const std::vector<const Entry*>& entries, const Value& value) {
  std::vector<double> values;
  for (const auto* entry : entries) {
    values.push_back(entry->result.*value);
  }
  return spread_of(values);
}

std::string spread_text(const Spread& spread) {
  std::ostringstream text;
  if (spread.count > 0) {
    text << std::fixed << std::setprecision(2) << spread.mean;
  }
  if (spread.count > 1) {
    text << " +- " << spread.deviation << " (" << spread.low << " to " << spread.high << ")";
  }
  return text.str();
}

nlohmann::json spread_json(const Spread& spread) {
  return {{"n", spread.count},
          {"mean", number_json(spread.mean)},
          {"std", number_json(spread.deviation)},
          {"low", number_json(spread.low)},
          {"high", number_json(spread.high)}};
}

}  // namespace

Spread spread_of(const std::vector<double>& values) {
  Spread spread;
  double sum = 0, squares = 0;
  for (const double value : values) {
    if (std::isfinite(value)) {
      sum += value;
      spread.low = spread.count == 0 ? value : std::min(spread.low, value);
      spread.high = spread.count == 0 ? value : std::max(spread.high, value);
      ++spread.count;
    }
  }
  if (spread.count > 0) {
    spread.mean = sum / static_cast<double>(spread.count);
  }
  for (const double value : values) {
    squares += std::isfinite(value) ? (value - spread.mean) * (value - spread.mean) : 0;
  }
  if (spread.count > 1) {
    spread.deviation = std::sqrt(squares / static_cast<double>(spread.count - 1));
  }
  return spread;
}

std::vector<SeedResult> seed_results(const std::vector<Entry>& entries) {
  std::map<std::string, std::vector<const Entry*>> groups;
  std::vector<std::string> order;
  for (const auto& entry : entries) {
    const auto name = name_without_seed(entry.job);
    if (name.empty() || !entry.job.is_done()) {
      continue;
    }
    if (groups[name].empty()) {
      order.push_back(name);
    }
    groups[name].push_back(&entry);
  }
  std::vector<SeedResult> results;
  for (const auto& name : order) {
    const auto& group = groups[name];
    if (group.size() < 2) {
      continue;
    }
    results.push_back({name,
                       {},
                       spread_over(group, &PointResult::comp),
                       spread_over(group, &PointResult::comp_stored),
                       spread_over(group, &PointResult::trained_top1),
                       spread_over(group, &PointResult::top1)});
    for (const auto* entry : group) {
      results.back().points.push_back(entry->job.name);
    }
  }
  return results;
}

std::string seeds_table(const std::vector<SeedResult>& results) {
  std::string text;
  for (const auto& result : results) {
    text += result.name + ", " + std::to_string(result.points.size()) + " seeds: comp " +
            spread_text(result.comp) + ", trained " + spread_text(result.trained_top1);
    text += result.top1.count > 0 ? ", finetuned " + spread_text(result.top1) + "\n" : "\n";
  }
  return text.empty() ? "" : "mean +- standard deviation (range) over seeds\n" + text;
}

nlohmann::json json_of(const std::vector<SeedResult>& results) {
  auto list = nlohmann::json::array();
  for (const auto& result : results) {
    list.push_back({{"name", result.name},
                    {"points", result.points},
                    {"comp", spread_json(result.comp)},
                    {"comp_stored", spread_json(result.comp_stored)},
                    {"top1_bsq_train", spread_json(result.trained_top1)},
                    {"top1_finetune", spread_json(result.top1)}});
  }
  return list;
}

}  // namespace bsq::cli
