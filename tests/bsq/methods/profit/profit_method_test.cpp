#include <torch/utils.h>

#include <cmath>
#include <stdexcept>

#include "bsq/base/options.h"
#include "bsq/methods/profit/duq_activation.h"
#include "bsq/methods/profit/duq_quantizer.h"
#include "bsq/methods/profit/profit_optimizer.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"
#include "bsq/nn/network_sizes.h"
#include "models/registry.h"
#include "tests/bsq/train/training_run.h"

namespace bsq::test {
namespace {

// PROFIT with phases of one epoch, and its network: activations in front of layers.
struct ProfitRun {
  explicit ProfitRun(const std::vector<std::string>& settings = {}, const std::string& multiplier = "0.05") {
    method = make_method("profit");
    method->add_options(table);
    table.set("phase-scale", "0.001");
    table.set("activation-steps", "8 4");
    table.set("weight-steps", "8 4");
    for (size_t i = 0; i + 1 < settings.size(); i += 2) {
      table.set(settings[i], settings[i + 1]);
    }
    NetworkDescription description;
    description.architecture = "mobilenet_v1";
    description.options["multiplier"] = multiplier;
    description.classes = 3;
    network = make_network(method->adapted(description));
    method->begin(*network, {LayerRules(4)});
  }

  OptionTable table;
  std::unique_ptr<Method> method;
  std::shared_ptr<Network> network;
};

ImageDataset images(int64_t count) {
  ImageDataset data = easy_images(count);
  data.images = data.images.repeat_interleave(4, /*dim=*/2).repeat_interleave(4, /*dim=*/3);  // 32 x 32
  return data;
}

struct Session {
  Session(ProfitRun& run, const ImageDataset& data, double rate = 0.05, int64_t stop_after = -1)
      : training(data, loader_options(/*batch_size=*/32, /*is_training=*/true)),
        validation(data, loader_options(/*batch_size=*/48)),
        recorder(stop_after),
        trainer(run.network, *run.method, training, validation, options_of(*run.method, rate), recorder) {}

  static TrainerOptions options_of(const Method& method, double rate) {
    TrainerOptions options;
    options.epochs = method.epochs();
    options.learning_rate = rate;
    options.weight_decay = 1e-4;
    return options;
  }

  BatchLoader training, validation;
  Recorder recorder;
  Trainer trainer;
};

std::vector<double> column(const Recorder& recorder, const std::string& name) {
  std::vector<double> values;
  for (const auto& report : recorder.reports) {
    values.push_back(metric_in(report, name));
  }
  return values;
}

TEST(ProfitMethod, ItsPhasesDecideTheLength) {
  const ProfitRun published({"phase-scale", "1", "activation-steps", "8 5 4", "weight-steps", "8 5 4"});
  EXPECT_EQ(published.method->epochs(), 200);
  EXPECT_EQ(ProfitRun().method->epochs(), 1 + 2 * 3 + 3 + 6);
  EXPECT_EQ(*published.method->rate_factor(0), 0.1);
  EXPECT_EQ(*published.method->rate_factor(3), 1);
}

TEST(ProfitMethod, BitWidthsFallPhaseByPhase) {
  torch::manual_seed(1);
  ProfitRun run;
  EXPECT_TRUE(is_float(*run.network));
  EXPECT_EQ(run.network->description().activation_bits, DuqActivation::kOff);
  Session session(run, images(64));
  ASSERT_TRUE(session.trainer.run());
  EXPECT_EQ(column(session.recorder, "Act Bits"),
            (std::vector<double>{0, 8, 8, 8, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4}));
  EXPECT_EQ(column(session.recorder, "Weight Bits"),
            (std::vector<double>{0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 4, 4, 4, 4, 4, 4}));
  EXPECT_EQ(column(session.recorder, "Frozen"),
            (std::vector<double>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 18, 18}));
  EXPECT_EQ(run.network->description().activation_bits, 4);
  for (const auto& [layer, bits] : scheme_of(*run.network)) {
    EXPECT_EQ(bits.weight, 4) << layer;
  }
}

TEST(ProfitMethod, GoesOnBitForBitFromAnyStep) {
  torch::manual_seed(2);
  const auto data = images(64);  // two steps an epoch
  ProfitRun first;
  const auto start = save_network(*first.network);
  ProfitRun whole;
  load_network(*whole.network, start);
  Session undisturbed(whole, data);
  ASSERT_TRUE(undisturbed.trainer.run());
  const int64_t steps = 2 * whole.method->epochs();
  for (const int64_t stop : {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{13}, int64_t{15}, int64_t{22},
                             int64_t{23}, int64_t{24}, int64_t{25}, int64_t{27}, int64_t{28}, steps - 1}) {
    SCOPED_TRACE(stop);
    ProfitRun part;
    load_network(*part.network, start);
    Session stopped(part, data, 0.05, stop);
    ASSERT_FALSE(stopped.trainer.run());
    auto description = part.network->description();
    ProfitRun rest;
    rest.network = make_network(description);
    load_network(*rest.network, save_network(*part.network));
    rest.method->adopt(*rest.network);
    Session resumed(rest, data);
    resumed.trainer.resume(stopped.trainer.state());
    ASSERT_TRUE(resumed.trainer.run());
    expect_same_state(save_network(*rest.network), save_network(*whole.network));
    const auto left = resumed.trainer.state(), right = undisturbed.trainer.state();
    for (const auto& [name, tensor] : left.method) {
      EXPECT_TRUE(torch::equal(tensor, right.method.at(name))) << name;
    }
  }
}

TEST(ProfitMethod, LayersOfTheirOwnBitWidth) {
  ProfitRun run;
  run.method->begin(*run.network,
                    {LayerRules(4).layer_bits({{"model.1.*", 6}, {"model.2.0", 3}}).keep_float({"fc"})});
  Session session(run, images(32));
  ASSERT_TRUE(session.trainer.run());
  auto scheme = scheme_of(*run.network);
  EXPECT_EQ(scheme.count("fc"), 0U);
  EXPECT_EQ(scheme["model.1.0"].weight, 6);
  EXPECT_EQ(scheme["model.2.0"].weight, 3);
  EXPECT_EQ(scheme["model.2.3"].weight, 4);
}

TEST(ProfitMethod, ChannelWiseIsForConvolutionsBehindTheFirst) {
  ProfitRun run({"channel-wise", "true"});
  Session session(run, images(32));
  ASSERT_TRUE(session.trainer.run());
  const auto parameters = run.network->named_parameters();
  EXPECT_EQ(parameters["model.0.0.a"].dim(), 0);
  EXPECT_EQ(parameters["fc.a"].dim(), 0);
  EXPECT_EQ(parameters["model.3.3.c"].size(0), parameters["model.3.3.weight"].size(0));
  EXPECT_EQ(sizes_of(save_network(*run.network)).comp_stored(), sizes_of(*run.network).comp_stored())
      << "a file counts a scale for each channel too";
}

TEST(ProfitMethod, WhatFreezesStaysAndItsNormsGoOn) {
  torch::manual_seed(5);
  const auto network = std::make_shared<SmallNetwork>(/*activation_bits=*/0);
  for (auto conv : {network->conv1, network->conv2}) {
    const auto weight = conv->weight_source().value().detach();
    conv->set_weight(std::make_unique<MasterWeight>(weight, DuqQuantizer::for_weights(weight, 4, false)));
  }
  const auto values = [&] {
    std::map<std::string, torch::Tensor> copies;
    for (const auto& item : network->named_parameters()) {
      copies[item.key()] = item.value().detach().clone();
    }
    return copies;
  };
  const auto moved = [&](bool weights_rest, const std::set<std::string>& frozen) {
    const auto before = values();
    const auto optimizer = make_profit_optimizer(*network, SgdOptions(), weights_rest, frozen);
    optimizer->zero_grad();
    network->forward(torch::rand({4, 3, 6, 6})).square().sum().backward();
    optimizer->step(0.01);
    std::set<std::string> names;
    for (const auto& [name, tensor] : values()) {
      if (!torch::equal(tensor, before.at(name))) {
        names.insert(name);
      }
    }
    return names;
  };
  const auto one = moved(false, {"conv2"});
  EXPECT_EQ(one.count("conv2.weight"), 0U);
  for (const char* name : {"conv1.weight", "conv2.a", "conv2.c", "conv2.bias", "bn1.weight", "fc.weight"}) {
    EXPECT_EQ(one.count(name), 1U) << name;
  }
  const auto none = moved(true, {});
  for (const char* name : {"conv1.weight", "conv2.weight", "fc.weight"}) {
    EXPECT_EQ(none.count(name), 0U) << name;
  }
  EXPECT_EQ(none.count("conv1.a"), 1U);
  EXPECT_EQ(none.count("fc.bias"), 1U);
}

TEST(ProfitMethod, ItLearns) {
  torch::manual_seed(6);
  ProfitRun run({"tune-epochs", "4", "phase-scale", "1", "float-epochs", "8", "stabilize-epochs", "1",
                 "sample-epochs", "1", "warmup-epochs", "0", "activation-steps", "4", "weight-steps", "4"},
                "0.25");
  Session session(run, images(96), /*rate=*/0.05);
  ASSERT_TRUE(session.trainer.run());
  const double loss = session.recorder.reports.back().train_loss;
  EXPECT_LT(loss, 0.9 * session.recorder.reports.front().train_loss);
  EXPECT_LT(loss, 0.9 * std::log(3)) << "of three classes by chance";
}

TEST(ProfitMethod, WrongBeginningsAreRejected) {
  const auto method = make_method("profit");
  EXPECT_THROW(method->check_rules(LayerRules(5)), std::invalid_argument);
  EXPECT_THROW(method->check_rules(LayerRules(4).layer_bits({{"fc", 1}})), std::invalid_argument);
  EXPECT_NO_THROW(method->check_rules(LayerRules(4).layer_bits({{"fc", 8}})));
  NetworkDescription description;
  description.activation_bits = 6;
  EXPECT_THROW(method->adapted(description), std::invalid_argument);
  description.activation_bits = 4;
  description.activation_rules = {{"*", 8}};
  EXPECT_THROW(method->adapted(description), std::invalid_argument);
  description.activation_rules = {};
  description.activation_bits = 0;
  const auto network = make_network(method->adapted(description));
  EXPECT_THROW(method->begin(*network, {LayerRules(4)}), std::invalid_argument) << "float activations";
}

}  // namespace
}  // namespace bsq::test
