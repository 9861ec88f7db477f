#include "bsq/nn/norm_factory.h"

#include <stdexcept>

#include "tests/bsq/methods/bsq/support.h"
#include "tests/bsq/nn/halving_norm.h"

namespace bsq::test {
namespace {

NetworkDescription with_norm(const std::string& kind) {
  NetworkDescription description;
  description.norm = kind;
  return description;
}

TEST(NormFactory, MakesWhatWasRegistered) {
  register_halving_norm();
  EXPECT_EQ(make_norm(with_norm("halving"), 3)->slots().front().tensor.numel(), 3);
}

TEST(NormFactory, RefusesOtherNames) {
  EXPECT_TRUE(
      contains(message_of<std::invalid_argument>([] { make_norm(with_norm("none"), 3); }), "norm 'none'"));
  EXPECT_THROW(make_norm(with_norm(kBatchNorm), 3), std::invalid_argument) << "it is libtorch's own module";
  EXPECT_THROW(register_norm(kBatchNorm, nullptr), std::logic_error);
}

}  // namespace
}  // namespace bsq::test
