#include <gtest/gtest.h>
#include <torch/torch.h>

#include <thread>

// Debian's libtorch computes with one thread unless it is told.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  torch::set_num_threads(static_cast<int>(std::thread::hardware_concurrency()));
  return RUN_ALL_TESTS();
}
