#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/sweep/result.h"

namespace bsq::cli {

/// What an earlier command left in a sweep's folder.
struct EarlierResults {
  std::vector<Entry> points;     ///< whose folders are still there, with their results
  nlohmann::json float_network;  ///< the record of the network that they start from; null: none
};

/// Reads results.json and each point's point.json. A point whose runs cannot be read says so in its error.
/// Throws bsq::Error where results.json or results.csv are files of another making.
EarlierResults read_earlier_results(const std::string& folder);

}  // namespace bsq::cli
