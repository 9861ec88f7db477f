#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "bsq/methods/method.h"

namespace bsq {

struct MethodEntry {
  std::string name;      ///< "lsq"
  std::string sentence;  ///< what it does, for --help and docs
  std::string paper;     ///< "Esser et al., ICLR 2020, arXiv 1902.08153"; "" for none
  std::function<std::unique_ptr<Method>()> make;
};

/// Adds a method, from register_NAME() of its folder or, outside this project, before main() begins. Throws
/// std::logic_error for a name that is taken.
void register_method(const MethodEntry& entry);

/// What has been registered so far, by name. bsq/methods/methods.h has all methods of this project.
const std::map<std::string, MethodEntry>& registered_methods();

}  // namespace bsq
