#pragma once

#include <string>

namespace bsq::torture {

/// Writes CIFAR-10's binary files with a few images of noise whose brightness tells the class.
void write_tiny_images(const std::string& folder);

}  // namespace bsq::torture
