#include "bsq/pickle/pickle_machine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <random>

#include "bsq/base/error.h"
#include "tests/bsq/io/pytorch/pytorch_files.h"

namespace bsq::pickle {
namespace {

using namespace std::string_literals;

Document parse_all(const std::string& bytes) {
  size_t position = 0;
  Document document = parse(bytes, position, "FILE");
  EXPECT_EQ(position, bytes.size());
  return document;
}

std::string refusal_of(const std::string& bytes) {
  try {
    parse_all(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// What an opaque object is said to be.
std::string opaque_in(const std::string& bytes) {
  const Document document = parse_all(bytes);
  const Value& root = document.at(document.root);
  EXPECT_EQ(root.kind, Kind::kOpaque);
  return describe(root);
}

std::string repeat(const std::string& bytes, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) {
    all += bytes;
  }
  return all;
}

TEST(PickleMachine, ReadsNumbers) {
  EXPECT_EQ(parse_all("\x80\x02K\xff."s).at(0).integer, 255);
  EXPECT_EQ(parse_all("\x80\x02M\x01\x02."s).at(0).integer, 513);
  EXPECT_EQ(parse_all("\x80\x02J\xfe\xff\xff\xff."s).at(0).integer, -2);
  EXPECT_EQ(parse_all("\x80\x02\x8a\x00."s).at(0).integer, 0);
  EXPECT_EQ(parse_all("\x80\x02\x8a\x02\x00\xff."s).at(0).integer, -256);
  EXPECT_EQ(parse_all("\x80\x02\x8a\x09\0\0\0\0\0\0\0\x80\0."s).at(0).kind, Kind::kBigInteger);
  EXPECT_EQ(parse_all("\x80\x02G\x40\x57\x23\x33\x33\x33\x33\x33."s).at(0).real, 92.55);
}

TEST(PickleMachine, ReadsTextsOfProtocol0) {
  const auto integer = [](const std::string& bytes) { return parse_all(bytes).at(0).integer; };
  const auto text = [](const std::string& bytes) { return parse_all(bytes).at(0).text; };
  EXPECT_EQ(integer("I-12\n."s), -12);
  EXPECT_EQ(integer("L-9223372036854775808L\n."s), INT64_MIN);
  EXPECT_EQ(parse_all("L9223372036854775808L\n."s).at(0).kind, Kind::kBigInteger);
  EXPECT_EQ(parse_all("I01\n."s).at(0).kind, Kind::kBool);
  EXPECT_EQ(integer("I00\n."s), 0);
  EXPECT_EQ(parse_all("F-1.5e-05\n."s).at(0).real, -1.5e-5);
  EXPECT_TRUE(std::isinf(parse_all("Finf\n."s).at(0).real));
  EXPECT_EQ(text("S'a\\'\\\\\\n\\xff\"'\n."s), "a'\\\n\xff\""s);
  EXPECT_EQ(text("S\"it's\"\n."s), "it's");
  EXPECT_EQ(text("Va\\u005c\\u000a\xe9\\u20ac\\U0001f600\\n\n."s), "a\\\n\u00e9\u20ac\U0001f600\\n");
  const Document document = parse_all("(lp0\nI1\na(dp1\nS'k'\nI2\nsag1\na(S'k'\nI2\nda."s);
  const Value& list = document.at(document.root);
  ASSERT_EQ(list.items.size(), 4U);
  EXPECT_EQ(list.items[1], list.items[2]);
  EXPECT_EQ(document.find(document.at(list.items[1]), "k")->integer, 2);
}

TEST(PickleMachine, RefusesTextsOfProtocol0ThatAreNone) {
  for (const std::string& line : {"I"s,         "I1.5"s,
                                  "I0x1"s,      "I 1"s,
                                  "I1 "s,       "I"s + std::string(65, '1'),
                                  "L"s,         "LL"s,
                                  "L1LL"s,      "F"s,
                                  "Fx"s,        "F1.5 "s,
                                  "F1e999"s,    "S"s,
                                  "Sa"s,        "S'a"s,
                                  "S'a\""s,     "S'a'b'"s,
                                  "S'a\\'"s,    "S'\\q'"s,
                                  "S'\\x4'"s,   "S'\\x+1'"s,
                                  "V\\u12"s,    "V\\u+123"s,
                                  "V\\ud800"s,  "V\\U00110000"s,
                                  "p0"s,        "Np-1"s,
                                  "Np1000000"s, "g0"s,
                                  "gx"s,        "d"s,
                                  "(Nd"s,       "l"s,
                                  "P"s}) {
    EXPECT_NE(refusal_of(line + "\n."), "") << line;
  }
  EXPECT_NE(refusal_of("I1"), "");
  EXPECT_NE(refusal_of("V" + std::string(1000, 'a')), "");
}

TEST(PickleMachine, AnObjectOfProtocol0IsNamedByItsClass) {
  EXPECT_EQ(opaque_in("ccopy_reg\n_reconstructor\n(cmodels\nNet\nc__builtin__\nobject\nNtR(dS'a'\nI1\nsb."s),
            "an object of models.Net");
}

TEST(PickleMachine, ReadsContainersOfProtocol4) {
  const Document document =
      parse_all("\x80\x04\x95\x0e\0\0\0\0\0\0\0]\x94(\x8c\x02hi\x94NK\x07\x86\x88\x65."s);
  const Value& list = document.at(document.root);
  ASSERT_EQ(list.kind, Kind::kList);
  ASSERT_EQ(list.items.size(), 3U);
  EXPECT_EQ(document.at(list.items[0]).text, "hi");
  EXPECT_EQ(document.at(list.items[1]).items.size(), 2U);
  EXPECT_EQ(document.at(list.items[2]).kind, Kind::kBool);
}

TEST(PickleMachine, ReadsOrderedDictsOfPython2) {
  const Document document = parse_all(
      "\x80\x02\x63\x63ollections\nOrderedDict\n](](U\x01\x61K\x01\x65](U\x01\x62K\x02\x65\x65\x85R."s);
  const Value& dict = document.at(document.root);
  ASSERT_EQ(dict.kind, Kind::kDict);
  ASSERT_EQ(dict.items.size(), 4U);
  EXPECT_EQ(document.find(dict, "b")->integer, 2);
}

TEST(PickleMachine, ReadsNumpyScalars) {
  const std::string type =
      "cnumpy\ndtype\nU\x02\x66\x38K\0K\1\x87R(K\3U\1<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"s;
  const std::string bytes = "c_codecs\nencode\nX\x0a\0\0\0\0\0\0\0\0\0\xc3\xb8\xc2\xbfU\6latin1\x86R"s;
  const std::string scalar = "\x80\x02\x63numpy.core.multiarray\nscalar\n"s;
  const Document document = parse_all(scalar + type + bytes + "\x86R.");
  EXPECT_EQ(document.at(document.root).real, -1.5);
  EXPECT_EQ(opaque_in(scalar + type + "U\4abcd\x86R."s), "an object of numpy.core.multiarray.scalar");
}

TEST(PickleMachine, EveryOtherClassOrFunctionIsOpaque) {
  for (const char* name :
       {"posix\nsystem", "os\nsystem", "builtins\neval", "__builtin__\neval", "subprocess\nPopen",
        "torch\nload", "torch._utils\n_rebuild_tensor_v2.__globals__"}) {
    const Document document = parse_all("\x80\x02\x63"s + name + "\n.");
    EXPECT_EQ(document.at(document.root).integer, kUnknown) << name;
  }
  const std::string object = "an object of posix.system";
  EXPECT_EQ(opaque_in("\x80\x02\x63posix\nsystem\nX\2\0\0\0ls\x85R."s), object);
  EXPECT_EQ(opaque_in("\x80\x04\x8c\5posix\x8c\6system\x93\x8c\2ls\x85R."s), object);
  EXPECT_EQ(opaque_in("cposix\nsystem\n)\x81."s), object);
  EXPECT_EQ(opaque_in("cposix\nsystem\n)}\x92."s), object);
  EXPECT_EQ(opaque_in("(cposix\nsystem\nU\2lso."s), object);
  EXPECT_EQ(opaque_in("(U\2lsiposix\nsystem\n."s), object);
  // What is called or made of an opaque object, added to it or set on it.
  EXPECT_EQ(opaque_in("cposix\nsystem\n)R)R(NNu(NNe(NN\x90Nb."s), object);
  EXPECT_EQ(opaque_in("\x8f(NN\x90."s), "an object of set");
  EXPECT_EQ(opaque_in("(NN\x91."s), "an object of frozenset");
}

TEST(PickleMachine, ReadsCountersAndDictsWithDefaults) {
  const Document counter = parse_all("ccollections\nCounter\n}K\144K\2s\x85R}b."s);
  ASSERT_EQ(counter.at(counter.root).kind, Kind::kDict);
  EXPECT_EQ(counter.at(counter.at(counter.root).items.at(0)).integer, 100);
  const Document dict = parse_all("ccollections\ndefaultdict\n\x63__builtin__\nlist\n\x85RU\1aK\2s."s);
  EXPECT_EQ(dict.find(dict.at(dict.root), "a")->integer, 2);
}

TEST(PickleMachine, ReadsWhatItDrops) {
  EXPECT_EQ(parse_all("K\1K\2\x30."s).at(0).integer, 1);
  EXPECT_EQ(parse_all("K\1(\x30."s).at(0).integer, 1);
  EXPECT_EQ(parse_all("K\1(NN\x31."s).at(0).integer, 1);
  const Document twice = parse_all("K\1\x32\x86."s);
  EXPECT_EQ(twice.at(twice.root).items, (std::vector<Ref>{0, 0}));
}

TEST(PickleMachine, ReadsLongTextsAndNumbers) {
  EXPECT_EQ(parse_all("\x8b\2\0\0\0\0\xff."s).at(0).integer, -256);
  for (const char opcode : {'\x8d', '\x8e', '\x96'}) {
    EXPECT_EQ(parse_all(opcode + "\2\0\0\0\0\0\0\0ab."s).at(0).text, "ab");
    EXPECT_NE(refusal_of(opcode + "\xff\xff\xff\xff\xff\xff\xff\xff_."s), "");
  }
}

TEST(PickleMachine, RefusesEveryOtherOpcode) {
  const std::string known =
      "(.012BCFGIJKLMNPQRSTUVX]abcdeghijlopqrstu)}\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f"
      "\x90\x91\x92\x93\x94\x95\x96"s;
  for (int opcode = 0; opcode < 256; ++opcode) {
    if (known.find(static_cast<char>(opcode)) == std::string::npos) {
      const std::string message = refusal_of("\x80\x02N"s + static_cast<char>(opcode) + "...........\n.\n");
      EXPECT_NE(message.find("opcode " + std::to_string(opcode) + " at byte 3"), std::string::npos)
          << message;
    }
  }
}

TEST(PickleMachine, RefusesNonsenseOnTheStack) {
  for (const std::string& bytes : {"."s,
                                   "("s,
                                   "0."s,
                                   "t."s,
                                   "NN."s,
                                   "(N."s,
                                   "N\x86."s,
                                   "Ns."s,
                                   "N(e."s,
                                   "}(Nu."s,
                                   "]NNs."s,
                                   "}Na."s,
                                   "h\0."s,
                                   "j\xff\xff\xff\xff."s,
                                   "Nr\xff\xff\xff\xff."s,
                                   "q\0."s,
                                   "NNR."s,
                                   "NQ."s,
                                   "NNb."s,
                                   "N)\x93."s,
                                   "(N(\x86."s,
                                   "(\x30\x30."s,
                                   "\x32."s,
                                   "(o."s,
                                   "iposix\nsystem\n."s,
                                   "N)\x81."s,
                                   "N(\x90."s,
                                   "X\xff\xff\xff\xff."s,
                                   "T\xff\xff\xff\xff."s,
                                   "\x80\x06N."s,
                                   "\x95\xff\xff\xff\xff\xff\xff\xff\xffN."s,
                                   "c"s + std::string(100000, 'a') + "\nb\n."s}) {
    EXPECT_NE(refusal_of(bytes), "") << bytes.substr(0, 20);
  }
}

TEST(PickleMachine, BoundsNesting) {
  EXPECT_EQ(refusal_of(")"s + repeat("\x85"s, kMaxDepth - 1) + "."), "");
  EXPECT_NE(refusal_of(")"s + repeat("\x85"s, kMaxDepth) + "."), "");
  EXPECT_NE(refusal_of(")"s + repeat("\x85"s, 900'000) + "."), "");
  EXPECT_NE(refusal_of(repeat("]", 900'000) + repeat("a", 899'999) + "."), "");
  EXPECT_NE(refusal_of(repeat("(", 10'000'000) + "."), "");
}

TEST(PickleMachine, HoldsListsThatContainThemselves) {
  const Document document = parse_all("]q\0h\0\x61."s);
  EXPECT_EQ(document.at(document.root).items.at(0), document.root);
  EXPECT_NE(refusal_of("]q\0"s + repeat("h\0\x61"s, kMaxDepth) + "."), "");
}

TEST(PickleMachine, BoundsWork) {
  const auto start = std::chrono::steady_clock::now();
  std::string laughs = "]q\0."s;
  laughs.pop_back();
  for (char level = 1; level < 60; ++level) {
    laughs += "](" + repeat("h"s + static_cast<char>(level - 1), 10) + "eq" + level;
  }
  EXPECT_EQ(refusal_of("("s + laughs + "t."), "");
  EXPECT_NE(refusal_of("("s + repeat("N", 2'000'000) + "t."), "");
  EXPECT_NE(refusal_of("Nq\0("s + repeat("h\0"s, 2'000'000) + "t."), "");
  const std::string pairs = "]q\0("s + repeat("NN\x86"s, 100'000) + "e";
  const std::string copies = repeat("ccollections\nOrderedDict\nh\0\x85R"s, 100'000);
  EXPECT_NE(refusal_of("("s + pairs + copies + "t."), "");
  const std::string line = "X\xff\xff\0\0"s + std::string(0xffff, 'a') + "q\0"s;
  EXPECT_NE(refusal_of("("s + line + "h\0\x93"s + "t."), "");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(PickleMachine, SurvivesRandomBytes) {
  std::mt19937 random(1);
  const std::string good = test::state_pickle();
  for (int round = 0; round < 100'000; ++round) {
    std::string bytes = good;
    for (uint32_t change = 0, changes = 1 + random() % 4; change < changes; ++change) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    size_t position = 0;
    try {
      parse(bytes, position, "FILE");
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace bsq::pickle
