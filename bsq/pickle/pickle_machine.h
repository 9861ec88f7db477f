#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "bsq/pickle/pickle_builder.h"
#include "bsq/pickle/pickle_value.h"

namespace bsq::pickle {

/// Reads the pickle (protocols 0 to 5) that starts at `position` of `bytes` and moves `position` behind it.
/// `keyed`: the objects that its persistent ids name, where they lie outside of it.
///
/// Only the opcodes and globals that a checkpoint needs are known (see Builder); none of them can run code.
/// Work and memory stay in proportion to the pickle's size and below fixed limits. Throws Error, with `file`
/// in front.
Document parse(std::string_view bytes, size_t& position, const std::string& file,
               const KeyedObjects* keyed = nullptr);

}  // namespace bsq::pickle
