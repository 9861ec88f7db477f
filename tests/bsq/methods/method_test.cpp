#include "bsq/methods/method.h"

#include <stdexcept>

#include "bsq/methods/methods.h"
#include "bsq/quant/uniform_activation.h"
#include "tests/bsq/nn/small_network.h"

namespace bsq::test {
namespace {

// A method that quantizes by parts() alone: every weight but the first layer's, to two's complement.
class PartsMethod : public Method {
 public:
  std::string name() const override { return "parts"; }
  void adopt(Network& /*network*/) override { ++adopted; }

  int adopted = 0;
  int64_t activation_bits = 0;

 protected:
  Parts parts(const LayerPlace& place, const WeightSource& /*weight*/) const override {
    Parts parts;
    if (place.bits > 0 && !place.is_first) {
      parts.weight = std::make_unique<GridQuantizer>(twos_complement(place.bits), torch::tensor(0.25F));
    }
    return parts;
  }
  std::unique_ptr<Activation> activation(int64_t bits) const override {
    return activation_bits == 0
               ? nullptr
               : std::make_unique<UniformActivation>(UniformActivationOptions(bits + activation_bits));
  }
};

TEST(Method, BeginGivesEveryLayerItsParts) {
  torch::manual_seed(1);
  SmallNetwork network;
  const auto before = value_in(network.fc->weight_source());
  PartsMethod().begin(network, {LayerRules(3).layer_bits({{"fc", 5}}).keep_float({"conv2"})});
  EXPECT_EQ(scheme_of(network), (Scheme{{"fc", {5, 0}}}));
  EXPECT_TRUE(torch::equal(dynamic_cast<const MasterWeight&>(network.fc->weight_source()).tensor(), before))
      << "the master is the float weight";
}

TEST(Method, BeginStartsFromTheValuesOfAnotherMethodsNetwork) {
  torch::manual_seed(2);
  SmallNetwork network;
  bring_to(network, Form::kPlanes);
  const auto before = value_in(network.fc->weight_source());
  PartsMethod().begin(network, {LayerRules(3)});
  EXPECT_TRUE(torch::equal(dynamic_cast<const MasterWeight&>(network.fc->weight_source()).tensor(), before));
  EXPECT_TRUE(network.conv1->weight_source().is_float());
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
  SmallNetwork network(/*activation_bits=*/4);
  PartsMethod method;
  method.begin(network, {LayerRules(3)});
  EXPECT_EQ(network.relu1->activation().bits(), 4);
  method.activation_bits = 2;
  method.begin(network, {LayerRules(3)});
  EXPECT_EQ(network.relu1->activation().bits(), 6);
}

TEST(Method, PlacesSayWhereALayerIs) {
  SmallNetwork network;
  network.conv2->set_role(LayerRole::kShortcut);
  const auto places = layer_places(network, LayerRules(4).keep_float({"fc"}));
  ASSERT_EQ(places.size(), 3U);
  EXPECT_EQ(places[0].path, "conv1");
  EXPECT_TRUE(places[0].is_first && !places[0].is_last);
  EXPECT_EQ(places[0].bits, 4);
  EXPECT_EQ(places[1].role, LayerRole::kShortcut);
  EXPECT_EQ(places[1].bits, 4) << "rules do not speak of shortcuts, methods do";
  EXPECT_FALSE(places[1].is_first || places[1].is_last);
  EXPECT_TRUE(places[2].is_last);
  EXPECT_EQ(places[2].bits, 0);
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

}  // namespace
}  // namespace bsq::test
