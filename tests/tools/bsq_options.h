#pragma once

#include "bsq/methods/bsq/bsq_method.h"
#include "bsq_train/train_options.h"

namespace bsq::test {

/// What a call tells the method bsq.
inline const BsqOptions& bsq_options(const cli::TrainOptions& options) {
  return dynamic_cast<const BsqMethod&>(options.trained_by()).options();
}

}  // namespace bsq::test
