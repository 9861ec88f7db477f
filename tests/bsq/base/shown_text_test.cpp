#include "bsq/base/shown_text.h"

#include <gtest/gtest.h>

namespace bsq::test {
namespace {

using namespace std::string_literals;

TEST(ShownText, LeavesWhatCanBePrinted) {
  for (const char* text : {"", "runs/a b~", "Größe", "日本", "\xf0\x9f\x98\x80", "\xc2\xa0"}) {
    EXPECT_EQ(shown_text(text), text);
  }
}

TEST(ShownText, EscapesControlCharactersAndBytesThatAreNoText) {
  EXPECT_EQ(shown_text("a\x1b[31mb\a\x7f\r"), "a\\x1b[31mb\\x07\\x7f\\x0d");
  EXPECT_EQ(shown_text("a\0b"s), "a\\x00b");
  EXPECT_EQ(shown_text("\xc2\x9b"), "\\xc2\\x9b") << "a control character of two bytes";
  EXPECT_EQ(shown_text("\xe2\x80\xae"), "\\xe2\\x80\\xae") << "turns the direction";
  EXPECT_EQ(shown_text("\xff\x80\xc3"), "\\xff\\x80\\xc3");
  EXPECT_EQ(shown_text("\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80"),
            "\\xc0\\xaf\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80")
      << "overlong, half of a pair, above the last character";
  EXPECT_EQ(shown_text("\xe2\x82"), "\\xe2\\x82") << "cut";
}

TEST(ShownText, TellsUtf8FromOtherBytes) {
  EXPECT_TRUE(is_utf8("\u20ac \U0001f600\n"));
  for (const char* text : {"\xf5\x80\x80\x80", "\xe2\x82", "\xc0\xaf", "a\xff"}) {
    EXPECT_FALSE(is_utf8(text)) << shown_text(text);
  }
}

TEST(ShownText, KeepsLinesWhereAsked) {
  EXPECT_EQ(shown_text("a\n\tb"), "a\\x0a\\x09b");
  EXPECT_EQ(shown_text("a\n\tb\r", /*keep_lines=*/true), "a\n\tb\\x0d");
}

}  // namespace
}  // namespace bsq::test
