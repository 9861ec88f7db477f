#pragma once

#include <string>
#include <vector>

namespace bsq {

/// The classes of CIFAR-10 and the fine ones of CIFAR-100, in the order of their labels.
std::vector<std::string> cifar10_class_names();
std::vector<std::string> cifar100_class_names();

}  // namespace bsq
