#include "bsq/methods/method.h"

#include <torch/utils.h>

#include <stdexcept>

#include "bsq/methods/methods.h"
#include "bsq/nn/activation_factory.h"
#include "bsq/quant/uniform_activation.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

// Two's complement between -1 and 1.
CodeFormat unit_format(int64_t bits) {
  const int64_t levels = int64_t{1} << (bits - 1);
  return {bits, levels, /*low=*/-levels, /*step=*/1, /*has_sign_bit=*/false};
}

// A method that quantizes by parts() alone: every weight but the first layer's, to two's complement.
class PartsMethod : public Method {
 public:
  std::string name() const override { return "parts"; }
  void adopt(Network& /*network*/) override { ++adopted; }
  void adapt(NetworkDescription& description) const override {
    description.activation = kind.empty() ? description.activation : kind;
    description.activation_place = place;
  }

  int adopted = 0;
  std::string kind;
  ActivationPlace place = ActivationPlace::kOutput;

 protected:
  Parts parts(const LayerPlace& place, const WeightSource& /*weight*/) const override {
    Parts parts;
    if (place.bits > 0 && place.role != LayerRole::kFirst) {
      parts.weight = std::make_unique<GridQuantizer>(unit_format(place.bits), torch::tensor(0.25F));
    }
    return parts;
  }
};

TEST(Method, BeginGivesEveryLayerItsParts) {
  torch::manual_seed(1);
  SmallNetwork network;
  const auto before = value_in(network.fc->weight_source());
  PartsMethod().begin(network, {LayerRules(3).layer_bits({{"fc", 5}}).keep_float({"conv2"})});
  EXPECT_TRUE(network.conv1->weight_source().is_float());
  EXPECT_EQ(scheme_of(network), (Scheme{{"fc", {5, 0}}}));
  EXPECT_TRUE(torch::equal(dynamic_cast<const MasterWeight&>(network.fc->weight_source()).tensor(), before))
      << "the master is the float weight";
}

TEST(Method, BeginRefusesAnotherMethodsNetwork) {
  const std::pair<Form, const char*> cases[] = {
      {Form::kPlanes, "holds bits of another method; expected a float network for parts"},
      {Form::kFrozen,
       "its weights are packed bits, which finetune takes; expected float weights for --method parts"}};
  for (const auto& [form, words] : cases) {
    SmallNetwork network;
    bring_to(network, form);
    EXPECT_EQ(message_of<std::invalid_argument>([&] { PartsMethod().begin(network, {LayerRules(3)}); }),
              words);
  }
}

// A quantizer whose kind is the method's name.
class NamedQuantizer : public GridQuantizer {
 public:
  using GridQuantizer::GridQuantizer;
  std::string kind() const override { return "parts"; }
};

TEST(Method, BeginAdoptsANetworkOfItsOwn) {
  SmallNetwork network;
  network.fc->set_weight(std::make_unique<MasterWeight>(
      torch::rand({3, 8}), std::make_unique<NamedQuantizer>(twos_complement(3), torch::tensor(0.5F))));
  PartsMethod method;
  method.begin(network, {LayerRules(8)});
  EXPECT_EQ(method.adopted, 1);
  EXPECT_EQ(scheme_of(network), (Scheme{{"fc", {3, 0}}}));
}

TEST(Method, BeginExchangesActivationsOnlyWhereAsked) {
  register_activation("two more bits", [](const NetworkDescription& description) {
    return std::make_unique<UniformActivation>(UniformActivationOptions(description.activation_bits + 2));
  });
  PartsMethod plain, with_kind;
  with_kind.kind = "two more bits";
  SmallNetwork network(/*activation_bits=*/4);
  plain.begin(network, {LayerRules(3)});
  EXPECT_EQ(network.relu1->activation().bits(), 4);
  EXPECT_EQ(network.description().activation, "uniform");
  SmallNetwork other(/*activation_bits=*/4);
  with_kind.begin(other, {LayerRules(3)});
  EXPECT_EQ(other.relu1->activation().bits(), 6);
  EXPECT_EQ(other.description().activation, "two more bits") << "files say so";
  SmallNetwork unquantized(/*activation_bits=*/0);
  with_kind.begin(unquantized, {LayerRules(3)});
  EXPECT_EQ(unquantized.relu1->activation().bits(), 0) << "--act 0 stays float";
}

TEST(Method, ExchangedActivationsAreOfTheNetworksType) {
  register_activation("running", [](const NetworkDescription& description) {
    return std::make_unique<UniformActivation>(UniformActivationOptions(description.activation_bits));
  });
  PartsMethod method;
  method.kind = "running";
  SmallNetwork network;
  network.to(torch::kFloat64);
  method.begin(network, {LayerRules(3)});
  EXPECT_EQ(network.named_buffers()["relu1.range"].scalar_type(), torch::kFloat64);
}

TEST(Method, PlacesSayWhereALayerIs) {
  SmallNetwork network;
  network.conv2->set_role(LayerRole::kShortcut);
  const auto places = layer_places(network, LayerRules(4).keep_float({"fc"}));
  ASSERT_EQ(places.size(), 3U);
  EXPECT_EQ(places[0].path, "conv1");
  EXPECT_EQ(places[0].role, LayerRole::kFirst) << "of a forward() written by hand, by the order of modules";
  EXPECT_EQ(places[0].bits, 4);
  EXPECT_EQ(places[1].role, LayerRole::kShortcut);
  EXPECT_EQ(places[1].bits, 4) << "rules do not speak of shortcuts, methods do";
  EXPECT_EQ(places[2].role, LayerRole::kLast);
  EXPECT_EQ(places[2].bits, 0);
}

TEST(Method, PlacesSayWhetherARuleNamesTheLayer) {
  SmallNetwork network;
  network.conv2->set_role(LayerRole::kShortcut);
  const auto places = layer_places(network, LayerRules(4).layer_bits({{"conv*", 5}}));
  EXPECT_TRUE(places[0].is_named);
  EXPECT_FALSE(places[1].is_named) << "rules do not speak of shortcuts";
  EXPECT_FALSE(places[2].is_named);
}

TEST(Method, RolesThatANetworkGivesStay) {
  SmallNetwork network;
  network.conv2->set_role(LayerRole::kFirst);
  const auto places = layer_places(network, LayerRules(4));
  EXPECT_EQ(places[0].role, LayerRole::kInner);
  EXPECT_EQ(places[1].role, LayerRole::kFirst);
  EXPECT_EQ(places[2].role, LayerRole::kInner);
}

TEST(Methods, KnowTheirOwn) {
  std::vector<std::string> names;
  for (const auto& entry : methods()) {
    names.push_back(entry.name);
    EXPECT_FALSE(entry.sentence.empty()) << entry.name;
    EXPECT_EQ(make_method(entry.name)->name(), entry.name);
    EXPECT_EQ(entry.make()->name(), entry.name);
  }
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const char* name : {"bsq", "float", "frozen"}) {
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
  }
}

TEST(Methods, AnUnknownOneIsRefusedWithTheList) {
  const auto message = message_of<std::invalid_argument>([] { make_method("nosuch"); });
  EXPECT_TRUE(begins_with(message, "method 'nosuch'; expected one of ")) << message;
  for (const auto& entry : methods()) {
    EXPECT_TRUE(contains(message, entry.name)) << message;
  }
}

TEST(Methods, ANameIsTakenOnce) {
  register_methods();
  register_methods();  // any number of times
  const MethodEntry entry{"float", "again", "", [] { return std::make_unique<PartsMethod>(); }};
  EXPECT_EQ(message_of<std::logic_error>([&] { register_method(entry); }),
            "method 'float' is registered twice");
  EXPECT_EQ(make_method("float")->name(), "float") << "the first one stays";
}

TEST(Methods, OthersMayRegisterTheirs) {
  if (registered_methods().count("parts") == 0) {
    register_method({"parts", "the test's own", "", [] { return std::make_unique<PartsMethod>(); }});
  }
  EXPECT_EQ(make_method("parts")->name(), "parts");
}

TEST(Method, BeginRefusesANetworkThatWouldHaveToBeBuiltAnew) {
  SmallNetwork network;
  PartsMethod method;
  method.place = ActivationPlace::kInput;
  EXPECT_EQ(message_of<std::invalid_argument>([&] { method.begin(network, {LayerRules(3)}); }),
            "has not the activations and norms that parts needs");
}

}  // namespace
}  // namespace bsq::test
