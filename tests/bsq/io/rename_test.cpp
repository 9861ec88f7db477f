#include "bsq/io/rename.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "bsq/base/error.h"

namespace bsq::test {
namespace {

std::string renamed(const std::string& rule, const std::string& name) { return RenameRule(rule)(name); }

NetworkState state_of(const std::vector<std::string>& names) {
  NetworkState state;
  for (const auto& name : names) {
    state.emplace_back(name, StoredTensor());
  }
  return state;
}

std::vector<std::string> names_of(const NetworkState& state) {
  std::vector<std::string> names;
  for (const auto& entry : state) {
    names.push_back(entry.first);
  }
  return names;
}

TEST(RenameRule, MatchesWholePartsAnywhere) {
  EXPECT_EQ(renamed("shortcut=downsample", "layer2.0.shortcut.0.weight"), "layer2.0.downsample.0.weight");
  EXPECT_EQ(renamed("shortcut=downsample", "layer2.0.shortcuts.0.weight"), "layer2.0.shortcuts.0.weight");
  EXPECT_EQ(renamed("linear=fc", "linear.weight"), "fc.weight");
  EXPECT_EQ(renamed("a.b=c", "x.a.b.y"), "x.c.y");
  EXPECT_EQ(renamed("a.b=c", "x.a.y.b"), "x.a.y.b");
  EXPECT_EQ(renamed("a=b", "a.a"), "b.a") << "once";
}

TEST(RenameRule, StarsStandForTextWithinAPart) {
  EXPECT_EQ(renamed("block*.conv*=layer*.*.conv", "block2.conv7.weight"), "layer2.7.conv.weight");
  EXPECT_EQ(renamed("layers.*=layer*", "layers.3.weight"), "layer3.weight");
  EXPECT_EQ(renamed("*.scale=*.step", "conv1.scale"), "conv1.step");
  EXPECT_EQ(renamed("c*v*=x", "conv1.weight"), "x.weight");
  EXPECT_EQ(renamed("encoder=", "encoder.conv1.weight"), "conv1.weight");
}

TEST(RenameRule, RefusesTextThatIsNoRule) {
  for (const char* text : {"", "a", "=a", "a=*", "a*=**", "*********=a"}) {
    EXPECT_THROW(RenameRule{text}, std::invalid_argument) << text;
  }
}

TEST(RenameTensors, RefusesRulesWithoutUseAndNamesTwice) {
  auto state = state_of({"a.weight", "b.weight"});
  EXPECT_THROW(rename_tensors(state, {RenameRule("c=d")}), Error);
  EXPECT_THROW(rename_tensors(state, {RenameRule("a=b")}), Error);
  state = state_of({"a.weight", "b.weight"});
  rename_tensors(state, {RenameRule("a=c"), RenameRule("b=a"), RenameRule("c=b")});
  EXPECT_EQ(names_of(state), (std::vector<std::string>{"b.weight", "a.weight"}));
}

TEST(DropCommonPrefixes, TakesThoseThatAllNamesHave) {
  auto state = state_of({"net._orig_mod.module.a", "net._orig_mod.module.b"});
  drop_common_prefixes(state, {"a", "b"});
  EXPECT_EQ(names_of(state), (std::vector<std::string>{"a", "b"}));
  state = state_of({"model.a", "b"});
  drop_common_prefixes(state, {"a", "b"});
  EXPECT_EQ(names_of(state), (std::vector<std::string>{"model.a", "b"}));
}

TEST(DropCommonPrefixes, LeavesThoseThatTheNetworkHas) {
  auto state = state_of({"model.net.a", "model.net.b"});
  drop_common_prefixes(state, {"net.a", "net.b"});
  EXPECT_EQ(names_of(state), (std::vector<std::string>{"net.a", "net.b"}));
}

}  // namespace
}  // namespace bsq::test
