#include "tools/cli/notice.h"

#include <iostream>

#include "bsq/base/shown_text.h"

namespace bsq::cli {
namespace {

int64_t own_rank = 0;

}  // namespace

void notice(const std::string& text) {
  if (own_rank == 0) {
    std::cerr << shown_text(text) << std::endl;
  }
}

void complain(const std::string& text) {
  const auto who = own_rank == 0 ? std::string() : "rank " + std::to_string(own_rank) + ": ";
  std::cerr << shown_text(who + text) + "\n" << std::flush;
}

void speak_as_rank(int64_t rank) { own_rank = rank; }

}  // namespace bsq::cli
