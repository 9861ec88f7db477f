#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace bsq::torture {

/// Epoch and step that a run trains next; {-1, -1}: it has saved nothing.
using Position = std::pair<int64_t, int64_t>;

constexpr Position kNothing = {-1, -1};

/// What a training process said on stdout before it was killed.
struct Record {
  Position resumed = kNothing;  ///< of its line "resumed at epoch E, step S"
  int64_t last_epoch = -1;      ///< of its last line "epoch E ..."; all epochs before that one are saved
};

/// Reads the whole lines of such a file.
Record read_record(const std::string& file);

/// "epoch 3, step 4", "nothing".
std::string text_of(const Position& position);

}  // namespace bsq::torture
