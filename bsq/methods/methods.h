#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bsq/methods/registry.h"

namespace bsq {

/// Makes every method below bsq/methods, and its kinds of weights in files, known; any number of times. The
/// functions below and the programs' main() call it. Who reads model files without them calls it first.
void register_methods();

/// All methods, sorted by name.
std::vector<MethodEntry> methods();
/// A method with its options at their defaults. Throws std::invalid_argument, which names those that there
/// are.
std::unique_ptr<Method> make_method(const std::string& name);

}  // namespace bsq
