#include "bsq/base/options.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace bsq::test {
namespace {

struct Flags {
  double rate = 0.1;
  int64_t epochs = 350;
  uint64_t seed = 1234;
  bool evaluate = false;
  std::string device = "cpu";
  std::string method = "bsq";
  double alpha = 0;
  std::optional<int64_t> depth;
  std::optional<std::string> arch;
  std::vector<int64_t> schedule = {150, 225};
  std::vector<std::string> keep;
};

struct Options {
  Options() {
    table.section("Training");
    table.add("lr", &flags.rate, "learning rate").alias("learning-rate").range(0, 1000);
    table.add("epochs", &flags.epochs, "epochs in all").range(0, 1000000).resume(ResumeRule::kFree);
    table.add("seed", &flags.seed, "seed").alias("manualSeed");
    table.add("evaluate", &flags.evaluate, "evaluate").letter('e').resume(ResumeRule::kCall);
    table.add("device", &flags.device, "where").one_of({"cpu", "cuda"});
    table.section("Method");
    table.add("method", &flags.method, "method").word("float", "float");
    table.add("alpha", &flags.alpha, "penalty").alias("decay").yielding_word("L1", "0.01");
    table.add("depth", &flags.depth, "layers").range(1, 1000);
    table.add("arch", &flags.arch, "network");
    table.add("schedule", &flags.schedule, "drops").range(0, 1000000);
    table.add("keep-float", &flags.keep, "layers");
  }
  Flags flags;
  OptionTable table;
};

// What set() says of a text, "" where it takes it.
std::string refusal(const std::string& name, const std::string& text) {
  Options options;
  try {
    options.table.set(name, text);
  } catch (const OptionError& error) {
    return error.what();
  }
  return "";
}

// What set_all() says of the command line.
std::string refusal_of_all(const OptionTexts& texts) {
  Options options;
  try {
    options.table.set_all(texts, OptionSource::kCall);
  } catch (const OptionError& error) {
    return error.what();
  }
  return "";
}

TEST(OptionTable, FillsVariablesOfEveryKind) {
  Options options;
  options.table.set_all({{"lr", "1e-3"},
                         {"epochs", "-0"},
                         {"manualSeed", "18446744073709551615"},
                         {"evaluate", "yes"},
                         {"device", "cuda"},
                         {"depth", "20"},
                         {"arch", "wrn"},
                         {"schedule", "1, 2 3"},
                         {"keep-float", "fc,layer1.*"}},
                        OptionSource::kCall);
  const auto& flags = options.flags;
  EXPECT_EQ(flags.rate, 0.001);
  EXPECT_EQ(flags.epochs, 0);
  EXPECT_EQ(flags.seed, std::numeric_limits<uint64_t>::max());
  EXPECT_TRUE(flags.evaluate);
  EXPECT_EQ(flags.device, "cuda");
  EXPECT_EQ(flags.depth, 20);
  EXPECT_EQ(flags.arch, "wrn");
  EXPECT_EQ(flags.schedule, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(flags.keep, (std::vector<std::string>{"fc", "layer1.*"}));
}

TEST(OptionTable, TheDefaultIsTheVariablesValue) {
  Options options;
  EXPECT_EQ(options.table.find("lr")->default_text(), "0.1");
  EXPECT_EQ(options.table.find("schedule")->default_text(), "150 225");
  EXPECT_EQ(options.table.find("evaluate")->default_text(), "");
  EXPECT_FALSE(options.table.find("depth")->has_value());
  EXPECT_FALSE(options.table.find("lr")->is_given());
}

TEST(OptionTable, RefusalsNameOptionTextAndExpectation) {
  EXPECT_EQ(refusal("lr", "-1"), "--lr -1: expected a number from 0 to 1000");
  EXPECT_EQ(refusal("learning-rate", "fast"), "--learning-rate fast: expected a number from 0 to 1000");
  EXPECT_EQ(refusal("epochs", "ten"), "--epochs ten: expected a whole number from 0 to 1000000");
  EXPECT_EQ(refusal("device", "abacus"), "--device abacus: expected cpu or cuda");
  EXPECT_EQ(refusal("evaluate", "perhaps"), "--evaluate perhaps: expected true or false");
  EXPECT_EQ(refusal("depth", ""), "--depth '': expected a whole number from 1 to 1000");
  EXPECT_EQ(refusal("keep-float", "a,,b"), "--keep-float a,,b: expected a list without empty entries");
}

TEST(OptionTable, NumbersThatAreNoneAreRefused) {
  for (const std::string text : {"nan", "inf", "1e999", "1x", " 1", "0x10", "1,5"}) {
    EXPECT_NE(refusal("lr", text), "") << text;
  }
  for (const std::string text : {"1.5", "1e3", "9223372036854775808", "-1"}) {
    EXPECT_NE(refusal("epochs", text), "") << text;
  }
  for (const std::string text : {"-1", "18446744073709551616"}) {
    EXPECT_NE(refusal("seed", text), "") << text;
  }
  for (const std::string text : {"1,-2", "1 x", ",1", "1,"}) {
    EXPECT_NE(refusal("schedule", text), "") << text;
  }
}

TEST(OptionTable, ARangeHasBothEnds) {
  EXPECT_EQ(refusal("lr", "0"), "");
  EXPECT_EQ(refusal("lr", "1000"), "");
  EXPECT_NE(refusal("lr", "1000.1"), "");
}

TEST(OptionTable, AValueThatDoesNotVerifyIsRefused) {
  Options options;
  auto& schedule = options.flags.schedule;
  options.table.find("schedule")->verify([&] {
    return std::is_sorted(schedule.begin(), schedule.end()) ? "" : "rising epochs";
  });
  options.table.set("schedule", "3 5");
  EXPECT_THROW(options.table.set("schedule", "5 3"), OptionError);
}

TEST(OptionTable, AnOptionMayComeOnceWhateverItIsCalled) {
  EXPECT_EQ(refusal_of_all({{"lr", "1"}, {"lr", "2"}}), "--lr: given twice; expected once");
  EXPECT_EQ(refusal_of_all({{"decay", "1"}, {"alpha", "1"}}),
            "--alpha: given twice, also as --decay; expected once");
  EXPECT_EQ(refusal_of_all({{"schedule", "1"}, {"schedule", "2"}}), "") << "a list goes on";
}

TEST(OptionTable, LaterSourcesWin) {
  Options options;
  options.table.set_all({{"lr", "0.5"}, {"epochs", "3"}}, OptionSource::kFile);
  options.table.set_all({{"learning-rate", "0.25"}}, OptionSource::kCall);
  EXPECT_EQ(options.flags.rate, 0.25);
  EXPECT_EQ(options.flags.epochs, 3);
  EXPECT_EQ(options.table.find("lr")->source(), OptionSource::kCall);
  EXPECT_EQ(options.table.find("epochs")->source(), OptionSource::kFile);
}

TEST(OptionTable, AWordStandsForAValue) {
  Options options;
  options.table.set_all({{"float", "true"}}, OptionSource::kCall);
  EXPECT_EQ(options.flags.method, "float");
  EXPECT_EQ(refusal_of_all({{"float", "true"}, {"method", "bsq"}}), "--float: contradicts --method bsq");
  EXPECT_EQ(refusal_of_all({{"float", "true"}, {"method", "float"}}), "");
}

TEST(OptionTable, AYieldingWordLeavesAnotherValueAlone) {
  for (const OptionTexts& texts : {OptionTexts{{"L1", "true"}, {"decay", "4"}}, {{"decay", "4"}}}) {
    Options options;
    options.table.set_all(texts, OptionSource::kFile);
    options.table.set_all({{"L1", "true"}}, OptionSource::kCall);
    EXPECT_EQ(options.flags.alpha, 4);
  }
  Options options;
  options.table.set_all({{"L1", "true"}}, OptionSource::kCall);
  EXPECT_EQ(options.flags.alpha, 0.01);
  Options none;
  none.table.set_all({{"L1", "true"}, {"alpha", "0"}}, OptionSource::kCall);
  EXPECT_EQ(none.flags.alpha, 0);
}

TEST(OptionTable, AWordThatIsTakenBackTakesTheValueBack) {
  Options options;
  options.table.set_all({{"L1", "false"}, {"decay", "0.01"}, {"float", "false"}}, OptionSource::kFile);
  EXPECT_EQ(options.flags.alpha, 0);
  EXPECT_EQ(options.flags.method, "bsq");
  EXPECT_FALSE(options.table.find("alpha")->is_given());
}

TEST(OptionTable, WhatIsKeptReadsBackAsTheSame) {
  Options options;
  options.table.set_all({{"lr", "0.30000000000000004"},
                         {"schedule", "1,2"},
                         {"keep-float", "a b"},
                         {"depth", "8"},
                         {"evaluate", "true"}},
                        OptionSource::kCall);
  const auto values = options.table.values();
  EXPECT_EQ(values.count("evaluate"), 0U) << "of one call";
  EXPECT_EQ(values.count("arch"), 0U) << "has no value";
  EXPECT_EQ(values.at("schedule"), "1 2");
  Options again;
  again.table.set_all({values.begin(), values.end()}, OptionSource::kFile);
  EXPECT_EQ(again.table.values(), values);
  EXPECT_EQ(again.flags.rate, options.flags.rate);
}

TEST(OptionTable, NumbersReadBackAsTheSame) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> exponents(-300, 300);
  Options options;
  for (int i = 0; i < 1000; ++i) {
    const double value = std::pow(10.0, exponents(random));
    options.table.set("alpha", shortest_text(value));
    EXPECT_EQ(options.flags.alpha, value);
  }
  EXPECT_EQ(shortest_text(0.1), "0.1");
  EXPECT_EQ(shortest_text(5e-4), "0.0005");
}

TEST(OptionTable, WhatHasNoEffectIsRefusedOnTheCommandLineOnly) {
  const auto check = [](const OptionTexts& texts, OptionSource source) -> std::string {
    Options options;
    for (const char* name : {"lr", "epochs"}) {
      options.table.find(name)->needs(
          [&] { return options.flags.evaluate ? "no effect with --evaluate" : ""; });
    }
    try {
      options.table.set_all(texts, source);
      options.table.check();
    } catch (const OptionError& error) {
      return error.what();
    }
    return "";
  };
  const OptionTexts idle = {{"evaluate", "true"}, {"epochs", "1"}, {"learning-rate", "1"}};
  EXPECT_EQ(check(idle, OptionSource::kCall), "--learning-rate, --epochs: no effect with --evaluate");
  EXPECT_EQ(check(idle, OptionSource::kFile), "");
  EXPECT_EQ(check({{"epochs", "1"}}, OptionSource::kCall), "");
}

TEST(OptionTable, UnknownNamesAreRefusedWithTheNearest) {
  EXPECT_EQ(refusal("epoch", "1"), "--epoch: no such option; did you mean --epochs?");
  EXPECT_EQ(refusal("scedule", "1"), "--scedule: no such option; did you mean --schedule?");
  EXPECT_EQ(refusal("manual-seed", "1"), "--manual-seed: no such option; did you mean --manualSeed?");
  EXPECT_EQ(refusal("no-such-flag", "1"), "--no-such-flag: no such option");
}

TEST(OptionTable, TwoOptionsOfOneNameAreABug) {
  Options options;
  double value = 0;
  EXPECT_THROW(options.table.add("decay", &value, "again"), std::logic_error);
}

TEST(OptionTable, ListsAreSeparatedByCommasOrBlanks) {
  const std::vector<std::string> expected = {"a", "b=1", "c"};
  for (const std::string text : {"a,b=1,c", "a b=1 c", "a, b=1  c ", "\ta ,b=1 , c"}) {
    EXPECT_EQ(list_entries(text), expected) << text;
  }
  EXPECT_TRUE(list_entries("").empty());
  EXPECT_TRUE(list_entries("  ").empty());
  for (const std::string text : {",", "a,", ",a", "a,,b", "a, ,b"}) {
    EXPECT_THROW(list_entries(text), std::invalid_argument) << text;
  }
}

}  // namespace
}  // namespace bsq::test
