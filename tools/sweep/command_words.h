#pragma once

#include <string>
#include <vector>

namespace bsq::cli {

/// A path in its plain form: "runs/a" for "./runs//a/". Links are not followed; "" stays "".
std::string plain_path(const std::string& path);

/// Where two commands differ: "holds '--lr 0.1'; expected '--lr 0.2 --L1'". "" where they are the same but
/// for the order of flags and the spelling of paths.
std::string difference_text(const std::vector<std::string>& found, const std::vector<std::string>& expected);

}  // namespace bsq::cli
