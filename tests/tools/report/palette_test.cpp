#include "tools/report/palette.h"

#include <gtest/gtest.h>

#include "tools/report/html_text.h"
#include "tools/report/plot_set.h"

namespace bsq::cli {
namespace {

TEST(Palette, MarksBecomeVariables) {
  const auto script = with_marked_colors("lc rgb \"@fg@\" lc rgb \"@muted@\"");
  EXPECT_EQ(script, "lc rgb \"#03fb00\" lc rgb \"#03fb01\"");
  EXPECT_EQ(to_css_variables("stroke='rgb(  3, 251,   1)' fill=\"rgb(3,251,0)\" fill=\"rgb(3,4,5)\""),
            "stroke='var(--muted)' fill=\"var(--fg)\" fill=\"rgb(3,4,5)\"");
}

TEST(Palette, EveryNameHasBothColors) {
  const auto light = css_variables(/*is_dark=*/false);
  for (const char* name : {"fg", "c1", "c8", "b0", "b8", "t0", "t8"}) {
    EXPECT_NE(light.find(std::string("--") + name + ":#"), std::string::npos) << name;
    EXPECT_EQ(with_light_colors(std::string("@") + name + "@")[0], '#') << name;
  }
  EXPECT_NE(light, css_variables(/*is_dark=*/true));
}

TEST(Texts, AreSafeWhereTheyGo) {
  EXPECT_EQ(html_text("<a href=\"x\">&</a>"), "&lt;a href=&quot;x&quot;&gt;&amp;&lt;/a&gt;");
  EXPECT_EQ(html_number(NAN, 2), "–");
  EXPECT_EQ(html_number(1.005, 1), "1.0");
  EXPECT_EQ(plot_text("a\"`rm`\\n$x"), "a__rm__n_x");
}

}  // namespace
}  // namespace bsq::cli
