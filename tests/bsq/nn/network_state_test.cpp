#include "bsq/nn/network_state.h"

#include <torch/utils.h>

#include <functional>

#include "bsq/base/error.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

using Names = std::vector<std::string>;

void remove(NetworkState& state, const std::string& name) {
  const auto found =
      std::find_if(state.begin(), state.end(), [&](const auto& item) { return item.first == name; });
  ASSERT_NE(found, state.end()) << name;
  state.erase(found);
}

Names names_of(const NetworkState& state) {
  Names names;
  for (const auto& [name, stored] : state) {
    names.push_back(name);
  }
  return names;
}

TEST(NetworkState, NamesAreThoseOfTheStateDict) {
  const Names floats = {"bn1.weight",
                        "bn1.bias",
                        "relu1.alpha",
                        "shortcut.weight",
                        "bn1.running_mean",
                        "bn1.running_var",
                        "bn1.num_batches_tracked",
                        "relu1.range"};
  const auto after = [&](Names names) {
    names.insert(names.end(), floats.begin(), floats.end());
    return names;
  };
  const Names weights = {"conv1.weight", "conv2.weight", "conv2.bias", "fc.weight", "fc.bias"};
  SmallNetwork network(/*activation_bits=*/3);
  bring_to(network, Form::kPlanes);
  EXPECT_EQ(names_of(save_network(network)), after(weights));
  EXPECT_EQ(names_of(codes_of_network(network)), after(weights));
  EXPECT_EQ(names_of(float_state(network)), after(weights));
  SmallNetwork plain(/*activation_bits=*/3);
  auto in_module_order = names_of(save_network(plain));
  auto expected = after(weights);
  std::sort(in_module_order.begin(), in_module_order.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(in_module_order, expected);
}

TEST(NetworkState, ALatentTensorsScaleIsAnEntryOfItsOwn) {
  SmallNetwork network;
  bring_to(network, Form::kFrozen);
  auto state = save_network(network);
  EXPECT_EQ(entry_in(state, "fc.weight").encoding, Encoding::kLatent);
  EXPECT_EQ(entry_in(state, "fc.weight").source, "frozen");
  for (const char* name : {"conv1.scale", "conv2.scale", "conv2.biasscale", "fc.scale", "fc.biasscale"}) {
    EXPECT_EQ(entry_in(state, name).encoding, Encoding::kFloat) << name;
  }
}

TEST(NetworkState, RoundTripsEveryForm) {
  torch::manual_seed(1);
  const auto x = torch::randn({4, 3, 8, 8});
  for (const auto from : kForms) {
    for (const auto to : kForms) {
      SmallNetwork network(/*activation_bits=*/3);
      network.forward(x);
      bring_to(network, from);
      const auto state = save_network(network);
      SmallNetwork other(/*activation_bits=*/3);
      bring_to(other, to);
      load_network(other, state);
      expect_same_state(save_network(other), state);
      EXPECT_EQ(other.named_parameters().keys(), network.named_parameters().keys());
      network.eval();
      other.eval();
      EXPECT_TRUE(torch::equal(network.forward(x), other.forward(x)));
    }
  }
}

TEST(NetworkState, RoundTripsFloat64) {
  torch::manual_seed(2);
  for (const auto form : kForms) {
    SmallNetwork network;
    network.to(torch::kFloat64);
    bring_to(network, form, torch::kFloat64);
    const auto state = save_network(network);
    SmallNetwork other;
    other.to(torch::kFloat64);
    load_network(other, state);
    expect_same_state(save_network(other), state);
  }
}

// Grids of other methods: two's complement with a scale a channel.
void freeze_by_channel(SmallNetwork& network) {
  Codes codes;
  codes.integers = torch::randint(-4, 4, {8, 8, 3, 3}, torch::kInt32);
  codes.scale = torch::rand({8}).add_(0.1);
  codes.format = twos_complement(3);
  network.conv2->set_weight(make_frozen(codes));
}

TEST(NetworkState, RoundTripsAScaleAChannel) {
  torch::manual_seed(3);
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  freeze_by_channel(network);
  const auto state = save_network(network);
  SmallNetwork other;
  load_network(other, state);
  expect_same_state(save_network(other), state);
  EXPECT_TRUE(torch::equal(value_in(other.conv2->weight_source()), value_in(network.conv2->weight_source())));
  EXPECT_EQ(other.named_parameters()["conv2.scale"].sizes(), at::IntArrayRef({8}));
}

TEST(NetworkState, CodesComputeTheSame) {
  torch::manual_seed(4);
  const auto x = torch::randn({4, 3, 8, 8});
  for (const auto form : kForms) {
    SmallNetwork network;
    network.forward(x);
    bring_to(network, form);
    if (form != Form::kFloat) {
      freeze_by_channel(network);
    }
    network.eval();
    SmallNetwork other;
    load_network(other, codes_of_network(network));
    other.eval();
    EXPECT_TRUE(torch::equal(network.forward(x), other.forward(x)));
    expect_same_state(codes_of_network(other), codes_of_network(network));
    SmallNetwork plain;
    load_network(plain, float_state(network));
    plain.eval();
    EXPECT_TRUE(is_float(plain));
    EXPECT_TRUE(torch::equal(network.forward(x), plain.forward(x)));
  }
}

TEST(NetworkState, ZeroBitsComeBack) {
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  network.fc->set_bias(plane_source(torch::zeros({3}), /*bits=*/1));
  const auto state = save_network(network);
  SmallNetwork other;
  load_network(other, state);
  EXPECT_EQ(other.fc->bias_source()->bits(), 0);
  EXPECT_TRUE(torch::equal(value_in(*other.fc->bias_source()), torch::zeros({3})));
  EXPECT_EQ(scheme_of(other), scheme_of(network));
}

// With what a state's entries are made of, in the state's own type.
TEST(NetworkState, CodesOfAStateAreTheNetworks) {
  torch::manual_seed(5);
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    for (const auto form : kForms) {
      SmallNetwork network;
      network.to(type);
      bring_to(network, form, type);
      if (type == torch::kFloat32 && form != Form::kFloat) {
        freeze_by_channel(network);
      }
      const auto found = codes_of(save_network(network));
      const auto refs = coded_sources(network);
      ASSERT_EQ(found.size(), refs.size());
      for (size_t i = 0; i < refs.size(); ++i) {
        const auto expected = *refs[i].source().codes();
        const auto& [name, codes] = found[i];
        EXPECT_EQ(name, refs[i].name);
        EXPECT_TRUE(torch::equal(codes.integers, expected.integers)) << name;
        EXPECT_TRUE(same_stored_part(codes.scale, expected.scale)) << name;
        EXPECT_EQ(codes.format, expected.format) << name;
        EXPECT_TRUE(torch::equal(value_of(codes), value_in(refs[i].source()))) << name;
      }
    }
  }
}

TEST(NetworkState, DoesNotFollowTheNetwork) {
  torch::manual_seed(6);
  for (const auto form : kForms) {
    SmallNetwork network;
    bring_to(network, form);
    const auto state = save_network(network);
    SmallNetwork before;
    load_network(before, state);
    torch::NoGradGuard no_grad;
    for (auto& parameter : network.parameters()) {
      parameter.mul_(0.5);
    }
    network.bn1->running_mean.add_(1);
    expect_same_state(state, save_network(before));
  }
}

TEST(NetworkState, LoadedParametersTrain) {
  for (const auto form : kForms) {
    SmallNetwork network;
    bring_to(network, form);
    SmallNetwork other;
    load_network(other, save_network(network));
    for (const auto& item : other.named_parameters()) {
      EXPECT_TRUE(item.value().requires_grad()) << item.key();
    }
  }
}

// Each layer takes the source that its entries name: some float beside others in bits.
TEST(NetworkState, LayersMayDiffer) {
  torch::manual_seed(7);
  SmallNetwork network;
  bring_layer_to(*network.conv1, Form::kPlanes);
  bring_layer_to(*network.conv2, Form::kFrozen);
  const auto state = save_network(network);
  for (const auto form : kForms) {
    SmallNetwork other;
    bring_to(other, form);
    load_network(other, state);
    expect_same_state(save_network(other), state);
    EXPECT_EQ(scheme_of(other), scheme_of(network));
    EXPECT_TRUE(other.fc->weight_source().is_float());
  }
}

// What is missing keeps its value.
TEST(NetworkState, OnlyImportedStatesMayLackCountersRangesAndAlphas) {
  torch::manual_seed(8);
  SmallNetwork network(/*activation_bits=*/3);
  network.forward(torch::randn({4, 3, 8, 8}));
  for (const char* name : {"bn1.num_batches_tracked", "relu1.range", "relu1.alpha"}) {
    auto state = save_network(network);
    remove(state, name);
    SmallNetwork other(/*activation_bits=*/3);
    EXPECT_EQ(message_of<Error>([&] { load_network(other, state); }), std::string(name) + ": missing");
    EXPECT_NO_THROW(load_network(other, state, StateOrigin::kImported));
  }
  auto state = save_network(network);
  remove(state, "relu1.range");
  remove(state, "relu1.alpha");
  SmallNetwork other(/*activation_bits=*/3);
  load_network(other, state, StateOrigin::kImported);
  EXPECT_EQ(other.named_buffers()["relu1.range"].item<float>(), -1.0F);
  EXPECT_EQ(other.named_parameters()["relu1.alpha"].item<float>(), 10.0F);
}

TEST(NetworkState, ImportedStatesMayLackNothingElse) {
  for (const char* name : {"conv1.weight", "bn1.weight", "bn1.running_var", "shortcut.weight"}) {
    SmallNetwork network(/*activation_bits=*/3);
    auto state = save_network(network);
    remove(state, name);
    EXPECT_EQ(message_of<Error>([&] { load_network(network, state, StateOrigin::kImported); }),
              std::string(name) + ": missing");
  }
  SmallNetwork network;
  bring_to(network, Form::kFrozen);
  auto state = save_network(network);
  remove(state, "fc.scale");
  EXPECT_EQ(message_of<Error>([&] { load_network(network, state, StateOrigin::kImported); }),
            "fc.scale: missing");
}

// Some of each, so that a reader sees how the names differ.
TEST(NetworkState, NamesThatDifferAreListed) {
  SmallNetwork network(/*activation_bits=*/3);
  auto state = save_network(network);
  for (auto& [name, stored] : state) {
    if (name.rfind("fc.", 0) == 0 || name.rfind("bn1.", 0) == 0) {
      name = "old_" + name;
    }
  }
  EXPECT_EQ(message_of<NamesDiffer>([&] { load_network(network, state, StateOrigin::kImported); }),
            "fc.weight: missing (and 5 others); the network does not have old_bn1.bias, "
            "old_bn1.num_batches_tracked, old_bn1.running_mean (and 4 others)");
}

TEST(NetworkState, TypesAndNumbersThatAreNoWeightsAreRefused) {
  SmallNetwork network(/*activation_bits=*/3);
  const auto message_with = [&](const char* name, const torch::Tensor& value) {
    auto state = save_network(network);
    entry_in(state, name).value = value;
    return message_of<Error>([&] { load_network(network, state); });
  };
  const std::vector<int64_t> shape = {8, 3, 3, 3};
  EXPECT_EQ(message_with("conv1.weight", torch::zeros(shape, torch::kInt8)),
            "conv1.weight: int8, expected floating point");
  EXPECT_EQ(message_with("conv1.weight", torch::zeros(shape, torch::kComplexFloat)),
            "conv1.weight: complex64, expected floating point");
  EXPECT_EQ(message_with("bn1.running_var", torch::ones({8}, torch::kBool)),
            "bn1.running_var: bool, expected floating point");
  EXPECT_EQ(message_with("conv1.weight", torch::full(shape, 1e300, torch::kFloat64)),
            "conv1.weight: holds a number that is not finite in float32");
  EXPECT_EQ(message_with("relu1.range", torch::tensor(NAN)),
            "relu1.range: holds a number that is not finite in float32");
}

std::string message_after(const std::function<void(NetworkState&)>& spoil, Form form = Form::kFloat) {
  SmallNetwork network(/*activation_bits=*/3);
  bring_to(network, form);
  auto state = save_network(network);
  spoil(state);
  SmallNetwork other(/*activation_bits=*/3);
  return message_of<Error>([&] { load_network(other, state); });
}

TEST(NetworkState, ErrorsNameTheTensor) {
  for (const char* name :
       {"conv1.weight", "conv2.bias", "fc.bias", "bn1.weight", "bn1.running_var", "shortcut.weight"}) {
    EXPECT_EQ(message_after([&](NetworkState& state) { remove(state, name); }),
              std::string(name) + ": missing");
  }
  EXPECT_EQ(message_after([](NetworkState& state) { state.emplace_back("fc2.weight", StoredTensor()); }),
            "fc2.weight: not in the network");
  for (const char* name : {"conv1.weight", "fc.bias", "bn1.bias", "bn1.running_mean", "relu1.alpha"}) {
    const auto message = message_after([&](NetworkState& state) {
      entry_in(state, name).value = torch::zeros({5, 1});
    });
    EXPECT_TRUE(begins_with(message, std::string(name) + ": shape [5, 1]; expected [")) << message;
  }
  EXPECT_EQ(
      message_after([](NetworkState& state) { entry_in(state, "bn1.weight").encoding = Encoding::kCodes; }),
      "bn1.weight: holds bits; expected a float tensor");
  const auto latent = message_after(
      [](NetworkState& state) { entry_in(state, "fc.weight").format.bits = 99; }, Form::kFrozen);
  EXPECT_TRUE(begins_with(latent, "fc.weight: ")) << latent;
  EXPECT_TRUE(contains(latent, "99 bits")) << latent;
}

TEST(NetworkState, ZeroBitsRefuseValuesThatAreNotZero) {
  EXPECT_EQ(
      message_after([](NetworkState& state) { entry_in(state, "fc.weight").format = sign_magnitude(0); },
                    Form::kFrozen),
      "fc.weight: 0 bits, and values that are not 0; expected zeros");
}

TEST(NetworkState, AScaleIsOneNumberOrOneAChannel) {
  for (const int64_t numbers : {2, 4, 8}) {
    const auto message = message_after(
        [&](NetworkState& state) { entry_in(state, "fc.scale").value = torch::rand({numbers}); },
        Form::kFrozen);
    EXPECT_EQ(message, "fc.scale: shape [" + std::to_string(numbers) + "]; expected []");
  }
}

TEST(NetworkState, PlanesThatDoNotFitAreNamed) {
  const auto spoiled = [](const std::function<void(StoredTensor&)>& spoil) {
    const auto message =
        message_after([&](NetworkState& state) { spoil(entry_in(state, "fc.weight")); }, Form::kPlanes);
    EXPECT_TRUE(begins_with(message, "fc.weight: ")) << message;
    return message;
  };
  spoiled([](StoredTensor& entry) { entry.negative = torch::rand({5, 3, 8}); });
  spoiled([](StoredTensor& entry) { entry.scale = torch::rand({2}); });
  spoiled([](StoredTensor& entry) {
    entry.encoding = Encoding::kLatent;
    entry.value = torch::rand({3, 8});
  });
  EXPECT_TRUE(contains(spoiled([](StoredTensor& entry) { entry.source = "nosuch"; }), "'nosuch'"));
}

}  // namespace
}  // namespace bsq::test
