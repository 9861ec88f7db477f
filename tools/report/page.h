#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tools/report/collection.h"

namespace bsq::cli {

/// All that the page shows, for its script (page/page.js): numbers in six digits, null where there is none
/// and for those beyond 1e30.
nlohmann::ordered_json page_data(const Collection& all);

/// The page: one HTML text that needs nothing else. What runs say of themselves stands in it as JSON alone,
/// in which no character means anything to HTML. With `refresh_seconds` above 0 a browser reads it again and
/// again.
std::string page_of(const Collection& all, int refresh_seconds);

/// The line in a page's head by which report knows its own pages.
constexpr const char* kPageGenerator = "<meta name=\"generator\" content=\"BSQ report\">";

/// The files in page/, which the build puts into the program.
extern const char* const kPageTemplate;
extern const char* const kPageStyle;
extern const char* const kPagePlots;
extern const char* const kPageScript;

}  // namespace bsq::cli
