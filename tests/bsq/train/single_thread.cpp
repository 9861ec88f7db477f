#include <gtest/gtest.h>
#include <torch/torch.h>

namespace bsq::test {
namespace {

// The networks of these tests are tiny: a second thread would cost more than it gives.
class SingleThread : public testing::Environment {
 public:
  void SetUp() override { torch::set_num_threads(1); }
};

const testing::Environment* const kSingleThread = testing::AddGlobalTestEnvironment(new SingleThread);

}  // namespace
}  // namespace bsq::test
