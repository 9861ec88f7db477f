#include "bsq/base/spelling.h"

#include <algorithm>

namespace bsq {
namespace {

// How many letters have to be put in, left out or exchanged to make one word of the other.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t exchanged = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, exchanged});
    }
  }
  return row.back();
}

// How far a name is from the one that was meant; a name that only goes on is near.
size_t distance(const std::string& written, const std::string& name) {
  constexpr size_t kLeastBeginning = 4;
  const bool is_beginning = written.size() >= kLeastBeginning && name.rfind(written, 0) == 0;
  return is_beginning ? 0 : edit_distance(written, name);
}

}  // namespace

std::string nearest_word(const std::string& written, const std::vector<std::string>& known) {
  std::string nearest;
  size_t least = 1 + written.size() / 4;  // what is further away was hardly meant
  for (const auto& word : known) {
    if (const size_t away = distance(written, word); away < least || (nearest.empty() && away == least)) {
      least = away;
      nearest = word;
    }
  }
  return nearest;
}

}  // namespace bsq
