#pragma once

#include <string_view>

#include "bsq/pickle/pickle_builder.h"
#include "bsq/pickle/pickle_value.h"

namespace bsq::pickle {

/// A persistent id as protocol 0 has it: the text that Python's str() makes of it. "('storage', <class
/// 'torch.FloatStorage'>, '0', 'cpu', 6)" becomes the tuple that it stands for: of strings, integers, None,
/// classes and tuples. Every other text is a string. Throws Error for a text that begins as a tuple and is
/// none.
Ref read_id_text(std::string_view text, Document& document, Builder& builder);

}  // namespace bsq::pickle
