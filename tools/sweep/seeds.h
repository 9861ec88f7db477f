#pragma once

#include <string>
#include <vector>

#include "tools/sweep/result.h"

namespace bsq::cli {

/// A number over seeds.
struct Spread {
  size_t count = 0;
  double mean = std::nan(""), deviation = std::nan("");  ///< standard deviation of a sample
  double low = std::nan(""), high = std::nan("");
};
/// Of the finite values.
Spread spread_of(const std::vector<double>& values);

/// Points that are done and differ only in the seed.
struct SeedResult {
  std::string name;  ///< of a point, without its seed
  std::vector<std::string> points;
  Spread comp, comp_stored, trained_top1, top1;
};

/// Those of two seeds or more, in the order of their first points.
std::vector<SeedResult> seed_results(const std::vector<Entry>& entries);

/// A table of them; "" where there is none.
std::string seeds_table(const std::vector<SeedResult>& results);
nlohmann::json json_of(const std::vector<SeedResult>& results);

}  // namespace bsq::cli
