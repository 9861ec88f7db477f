#include "tools/cli/option_error.h"

#include <algorithm>

namespace bsq::cli {
namespace {

using NamedError = boost::program_options::error_with_option_name;

// Boost gives the texts to derived classes alone.
struct Texts : NamedError {
  static auto& of(NamedError& error) { return error.*(&Texts::m_substitutions); }
};

}  // namespace

std::string message_of(boost::program_options::error& error) {
  if (auto* named = dynamic_cast<NamedError*>(&error)) {
    for (auto& [token, text] : Texts::of(*named)) {
      if (std::count(text.begin(), text.end(), '%') > 1) {
        std::replace(text.begin(), text.end(), '%', '?');
      }
    }
  }
  return error.what();
}

}  // namespace bsq::cli
