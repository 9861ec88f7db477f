#pragma once

#include <string>
#include <vector>

namespace bsq::cli {

/// The words of `sweep --sbatch 'OPTIONS'`, read as a shell reads them: blanks part them, quotes and
/// backslashes keep blanks. Nothing is expanded. Throws UsageError for a quote that is not closed, for a word
/// that is no option's, and for an option that sweep sets itself.
std::vector<std::string> sbatch_options(const std::string& text);

}  // namespace bsq::cli
