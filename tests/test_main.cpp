#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

// One thread a program: the programs run side by side. Tests of threads ask for more themselves.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  torch::set_num_threads(1);
  return RUN_ALL_TESTS();
}
