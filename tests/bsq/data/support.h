#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <string>

#include "bsq/base/error.h"
#include "bsq/data/dataset.h"

namespace bsq::test {

/// Random bytes as images, with random labels. Depends on torch's generator.
inline ImageDataset random_images(int64_t count, int64_t height = 32, int64_t width = 32,
                                  int64_t classes = 10) {
  return {torch::randint(0, 256, {count, 3, height, width}, torch::kUInt8),
          torch::randint(0, classes, {count}, torch::kInt64), classes};
}

/// Expects a bsq::Error of one line that holds every one of these texts.
template <typename Action>
void expect_error(Action action, std::initializer_list<std::string> texts) {
  try {
    action();
    ADD_FAILURE() << "no bsq::Error";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const std::string& text : texts) {
      EXPECT_NE(message.find(text), std::string::npos) << "'" << text << "' is not in: " << message;
    }
  }
}

}  // namespace bsq::test
