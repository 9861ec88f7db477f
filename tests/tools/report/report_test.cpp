#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "tests/tools/tool_runs.h"

namespace bsq::test {
namespace {

namespace fs = std::filesystem;

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

std::string runs() {
  return tiny_runs().full.folder + " " + tiny_runs().bsq.folder + " " + tiny_runs().finetuned.folder;
}

TEST(Report, ThePageHoldsAllAndNeedsNothing) {
  TemporaryFolder folder;
  const auto result = run_tool("report", "--out " + folder.file("page") + " " + runs());
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  const auto page = read_bytes(folder.file("page/index.html"));
  EXPECT_EQ(count_of(page, "<svg"), count_of(page, "</svg>"));
  for (const std::string plot : {"front-comp", "front-comp_stored", "bits", "curve-accuracy", "curve-penalty",
                                 "model2-time", "model2-planes", "model2-weights"}) {
    EXPECT_NE(page.find("\"" + plot + "-w-gnuplot_canvas\""), std::string::npos) << plot;
    EXPECT_NE(page.find("\"" + plot + "-n-gnuplot_canvas\""), std::string::npos) << plot;
    EXPECT_EQ(read_bytes(folder.file("page/plots/" + plot + ".png")).substr(1, 3), "PNG");
    EXPECT_NE(read_bytes(folder.file("page/plots/" + plot + ".svg")).find("<svg"), std::string::npos);
  }
  EXPECT_EQ(page.find("src="), std::string::npos) << "something is loaded from elsewhere";
  EXPECT_EQ(page.find("url("), std::string::npos);
  EXPECT_EQ(page.find("@import"), std::string::npos);
  const auto& trained = tiny_runs().bsq.folder;
  EXPECT_TRUE(
      holds(page, "bsq_train --config " + trained + "/config.cfg --checkpoint " + trained + "-again\n"));
  EXPECT_TRUE(holds(page, "<td>other float (normalization"));
  EXPECT_EQ(page.find("http-equiv"), std::string::npos);
  for (const auto& entry : fs::directory_iterator(folder.file("page/plots"))) {
    EXPECT_NE(entry.path().filename().string()[0], '.') << entry.path();
  }
}

TEST(Report, IdsOnThePageAreUnique) {
  TemporaryFolder folder;
  ASSERT_EQ(run_tool("report", "--out " + folder.file("page") + " " + runs()).status, 0);
  const auto page = read_bytes(folder.file("page/index.html"));
  std::vector<std::string> ids;
  for (auto at = page.find(" id="); at != std::string::npos; at = page.find(" id=", at + 1)) {
    ids.push_back(page.substr(at + 5, page.find(page[at + 4], at + 5) - at - 5));
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_GT(ids.size(), 20U);
  const auto twin = std::adjacent_find(ids.begin(), ids.end());
  EXPECT_TRUE(twin == ids.end()) << *twin;
}

TEST(Report, BadInputIsOneLine) {
  TemporaryFolder folder;
  write_bytes(folder.file("file"), "a regular file");
  fs::create_directories(folder.file("broken"));
  write_bytes(folder.file("broken/checkpoint.h5"), "not a model\n");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "RUN"},
      {"--watch -1 " + runs(), "--watch"},
      {folder.file("none"), folder.file("none")},
      {"--out " + folder.file("page") + " " + folder.file("broken"), folder.file("broken/checkpoint.h5")},
      {"--out " + folder.file("file/page") + " " + runs(), folder.file("file/page")}};
  for (const auto& [arguments, word] : cases) {
    SCOPED_TRACE(arguments);
    const auto result = run_tool("report", arguments);
    EXPECT_NE(result.status, 0);
    EXPECT_EQ(result.err.find("report: "), 0U) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_NE(result.err.find(word), std::string::npos) << result.err;
  }
}

// A sweep's record whose second point still waits: the page is written twice and says so, and refreshes.
TEST(Report, WatchRewritesThePageUntilTheSweepIsDone) {
  TemporaryFolder folder;
  const auto sweep = folder.file("sweep");
  fs::create_directories(sweep + "/a");
  fs::copy(tiny_runs().bsq.folder, sweep + "/a/bsq", fs::copy_options::recursive);
  const std::string head = R"({"points":[{"name":"a","folder":"a","status":"done","flags":{"alpha":"4"}},)";
  const std::string waits = R"({"name":"b","folder":"b","status":")";
  const std::string tail = R"(","flags":{"alpha":"5"}}]})";
  write_bytes(sweep + "/results.json", head + waits + "waiting" + tail);
  write_bytes(folder.file("done.json"), head + waits + "done" + tail);
  const auto page = folder.file("page/index.html");
  const auto result =
      run_command("'" + program("report") + "' --watch 1 --out " + folder.file("page") + " " + sweep +
                  " & pid=$!; for i in $(seq 1000); do [ -e " + page + " ] && break; sleep 0.05; done; cp " +
                  page + " " + folder.file("first.html") + "; mv " + folder.file("done.json") + " " + sweep +
                  "/results.json; wait $pid");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_NE(read_bytes(folder.file("first.html")).find("http-equiv=\"refresh\" content=\"1\""),
            std::string::npos);
  EXPECT_NE(read_bytes(folder.file("first.html")).find("1 of 2 done so far"), std::string::npos);
  EXPECT_EQ(read_bytes(page).find("http-equiv"), std::string::npos);
}

TEST(Report, ADamagedRunIsAFailedOneOnThePage) {
  TemporaryFolder folder;
  fs::create_directories(folder.file("broken"));
  write_bytes(folder.file("broken/checkpoint.h5"), "not a model\n");
  const auto result =
      run_tool("report", "--out " + folder.file("page") + " " + folder.file("broken") + " " + runs());
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  const auto page = read_bytes(folder.file("page/index.html"));
  EXPECT_TRUE(holds(page, "failed: " + folder.file("broken/checkpoint.h5")));
  EXPECT_TRUE(holds(page, "<td>full</td>")) << "the others are there";
  EXPECT_TRUE(holds(page, "not readable: 1"));
}

// A sweep that goes on, with a run that cannot be read; the signal comes when `file` is there.
CommandResult watch_until(const TemporaryFolder& folder, const std::string& file, const std::string& signal) {
  const auto sweep = folder.file("sweep");
  fs::create_directories(sweep + "/a/finetune");
  fs::copy(tiny_runs().bsq.folder, sweep + "/a/bsq");
  write_bytes(sweep + "/a/finetune/best_bin.h5", "not a model\n");
  write_bytes(sweep + "/results.json",
              R"({"status":"running","points":[{"name":"a","folder":"a","flags":{"alpha":"4"}}]})");
  return run_command("'" + program("report") + "' --watch 1 --out " + folder.file("page") + " " + sweep +
                     " & pid=$!; for i in $(seq 2000); do ls -d " + file +
                     " >/dev/null 2>&1 && break; sleep 0.02; done; kill -" + signal + " $pid; wait $pid");
}

TEST(Report, ASignalEndsWatchingBehindThePageInWork) {
  const std::vector<std::tuple<std::string, std::string, int>> cases = {
      {"index.html", "TERM", 143}, {"plots/.work.*", "INT", 130}, {"plots/.work.*", "TERM", 143}};
  for (const auto& [file, signal, status] : cases) {
    SCOPED_TRACE(file + " " + signal);
    TemporaryFolder folder;
    const auto result = watch_until(folder, folder.file("page/") + file, signal);
    EXPECT_EQ(result.status, status);
    EXPECT_EQ(result.err.find("report: " + folder.file("sweep/a/finetune/best_bin.h5")), 0U) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_TRUE(holds(read_bytes(folder.file("page/index.html")), "failed"));
    EXPECT_TRUE(fs::exists(folder.file("page/plots/bits.svg")));
    for (const auto& entry : fs::recursive_directory_iterator(folder.file("page"))) {
      EXPECT_NE(entry.path().filename().string()[0], '.') << entry.path();
    }
  }
}

}  // namespace
}  // namespace bsq::test
