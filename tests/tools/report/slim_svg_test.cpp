#include "tools/report/slim_svg.h"

#include <gtest/gtest.h>

namespace bsq::cli {
namespace {

TEST(SlimSvg, NeighbouringPolygonsOfOneStyleAreOnePath) {
  EXPECT_EQ(slim_svg("<polygon fill = 'a' points = '0,0 1,0 1,1 '/>\n"
                     "<polygon fill = 'a' points = '2,0 3,0 3,1 '/>\n"
                     "<polygon fill = 'b' points = '4,0 5,0 5,1 '/>\n"
                     "<text>x</text>\n"
                     "<polygon fill = 'b' points = '6,0 7,0 7,1 '/>\n"),
            "<path fill = 'a' d='M0,0 1,0 1,1 zM2,0 3,0 3,1 z'/>\n"
            "<path fill = 'b' d='M4,0 5,0 5,1 z'/>\n"
            "<text>x</text>\n"
            "<path fill = 'b' d='M6,0 7,0 7,1 z'/>\n");
}

TEST(SlimSvg, LeavesOutWhatTheSvgItselfSaysAndFilters) {
  EXPECT_EQ(slim_svg("<rect x=\"0\" y=\"0\" width=\"9\" height=\"9\" fill=\"none\"/>\n<defs>\n<filter "
                     "id='x'>\n<feFlood/>\n</filter>\n</defs>\n"
                     "<g fill=\"none\" color=\"black\" stroke=\"currentColor\" stroke-width=\"1.00\" "
                     "stroke-linecap=\"butt\" stroke-linejoin=\"miter\">\n"
                     "<g stroke-width=\"2.00\" font-family=\"sans-serif\" font-size=\"9\">\n"),
            "<defs>\n</defs>\n<g fill=\"none\">\n<g stroke-width=\"2.00\" font-size=\"9\">\n");
}

}  // namespace
}  // namespace bsq::cli
