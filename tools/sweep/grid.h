#pragma once

#include <string>
#include <utility>
#include <vector>

namespace bsq::cli {

/// One swept flag, named without dashes, and its values in the order to run them.
struct Axis {
  std::string name;
  std::vector<std::string> values;
};

/// The values that one point has: flag to value, in the order of the axes.
using PointValues = std::vector<std::pair<std::string, std::string>>;

/// Numbers as a list, `1e-3,2e-3,5e-3`, or a range with both ends, `1e-3:2e-2:log:6` or `1:4:lin:4`. A
/// range's numbers are rounded to four digits. Gives each in its shortest form, 1e-3 as 0.001. Throws
/// UsageError that begins with `flag` for anything else, a number below 0 and one that comes twice.
std::vector<std::string> parse_numbers(const std::string& flag, const std::string& text);
/// Integers of 0 or more, written likewise.
std::vector<std::string> parse_integers(const std::string& flag, const std::string& text);
/// `NAME=V1,V2,...`: words, or numbers as a range. Throws UsageError.
Axis parse_axis(const std::string& flag, const std::string& text);

/// Every combination, the last axis changing fastest.
std::vector<PointValues> expand(const std::vector<Axis>& axes);
/// A name for the point that is a good folder name: "alpha-0.001-seed-1234".
std::string name_of(const PointValues& values);

/// A number in its shortest form of at most `digits` digits: 0.001, 1e-05.
std::string number_text(double value, int digits);

}  // namespace bsq::cli
