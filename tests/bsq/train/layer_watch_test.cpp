#include "bsq/train/layer_watch.h"

#include <torch/utils.h>

#include <cmath>

#include "bsq/methods/methods.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

const LayerRecord& record_of(const std::vector<LayerRecord>& records, const std::string& tensor) {
  for (const auto& record : records) {
    if (record.tensor == tensor) {
      return record;
    }
  }
  throw std::logic_error(tensor);
}

// A network whose fc holds the integers -3..3 over 3, times 0.5.
std::shared_ptr<SmallNetwork> watched_network() {
  auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/4);
  make_method("frozen")->begin(*network, {LayerRules(2)});
  return network;
}

torch::Tensor master_of(SmallNetwork& network) {
  return dynamic_cast<const MasterWeight&>(network.fc->weight_source()).tensor();
}

TEST(LayerWatch, CountsTheIntegersThatAStepChanges) {
  const auto network = watched_network();
  LayerWatch watch;
  watch.begin(*network);
  EXPECT_TRUE(std::isnan(record_of(watch.records(*network), "fc.weight").changed_percent));
  torch::NoGradGuard no_grad;
  auto q = master_of(*network);
  q.zero_();
  for (int64_t step = 0; step < 4; ++step) {
    watch.before_step(*network, step, /*steps=*/4);
    if (step == 1) {
      q.view({-1}).slice(0, 0, 6).fill_(1);  // 6 of 24 weights
    }
    watch.after_step(*network);
  }
  const auto record = record_of(watch.records(*network), "fc.weight");
  EXPECT_NEAR(record.changed_percent, 25.0 / 4, 1e-9) << "one of four steps changed a quarter";
  EXPECT_NEAR(record.mean_integer, 3 * 6.0 / 24, 1e-9);
  EXPECT_EQ(record.bits, 2);
  EXPECT_NEAR(record.scale, network->fc->weight_source().codes()->scale.item<double>(), 1e-12);
}

TEST(LayerWatch, LooksAtAFewStepsOfALongEpoch) {
  const auto network = watched_network();
  LayerWatch watch;
  watch.begin(*network);
  for (int64_t step = 0; step < 80; ++step) {
    watch.before_step(*network, step, /*steps=*/80);
    watch.after_step(*network);
  }
  EXPECT_EQ(watch.slots()[0].tensor[0].item<double>(), LayerWatch::kSamples);
}

TEST(LayerWatch, AFloatNetworkHasNoRecords) {
  SmallNetwork network(/*activation_bits=*/4);
  LayerWatch watch;
  watch.begin(network);
  watch.before_step(network, 0, 1);
  watch.after_step(network);
  EXPECT_TRUE(watch.records(network).empty());
}

}  // namespace
}  // namespace bsq::test
