#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace bsq {

struct CodeFormat {
  int64_t bits = 0;
  int64_t levels = 1;
  int64_t low = 0;
  bool has_sign_bit = false;
};

struct Codes {
  torch::Tensor integers;
  torch::Tensor scale;
  CodeFormat format;
};

torch::Tensor value_of(const Codes& codes);

}  // namespace bsq
