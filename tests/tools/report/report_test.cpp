#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

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

// What the page's script draws.
nlohmann::json data_in(const std::string& page) {
  const std::string head = "<script type=\"application/json\" id=\"runs\">";
  const auto from = page.find(head) + head.size();
  return nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
}

TEST(Report, ThePageHoldsAllAndNeedsNothing) {
  TemporaryFolder folder;
  const auto result = run_tool("report", "--out " + folder.file("page") + " " + runs());
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  const auto page = read_bytes(folder.file("page/index.html"));
  for (const std::string loading : {"src=", "url(", "@import", "fetch(", "http-equiv"}) {
    EXPECT_EQ(page.find(loading), std::string::npos) << loading;
  }
  const auto models = data_in(page)["models"];
  ASSERT_EQ(models.size(), 2U);
  const auto& model = models[1];
  EXPECT_EQ(model["kind"], "bsq → frozen");
  EXPECT_EQ(model["tensors"].size(), 9U);
  EXPECT_EQ(model["runs"].size(), 2U);
  EXPECT_EQ(model["runs"][0]["history"].size(), 3U);
  EXPECT_EQ(model["runs"][0]["adjustments"].size(), 4U);
  const auto& trained = tiny_runs().bsq.folder;
  EXPECT_EQ(model["commands"][0],
            "bsq_train --config " + trained + "/config.cfg --checkpoint " + trained + "-again");
}

// Whatever a run is called, its name stays text.
TEST(Report, HostileNamesStayInsideTheData) {
  TemporaryFolder folder;
  const auto run = folder.file("<img src=x onerror=alert(1)>&\"'\xff");
  fs::create_directories(run);
  fs::copy(tiny_runs().bsq.folder, run, fs::copy_options::recursive);
  write_bytes(run + "/log.txt", "</script><b>\tEpoch\n1\t0\n");
  const auto result = run_tool("report", "--out " + folder.file("page") + " " + folder.path().string());
  ASSERT_EQ(result.status, 0) << result.err;
  const auto page = read_bytes(folder.file("page/index.html"));
  EXPECT_EQ(count_of(page, "</script>"), 2U) << "the data's own and the script's";
  EXPECT_EQ(count_of(page, "<img"), 0U);
  const auto model = data_in(page)["models"][0];
  EXPECT_EQ(model["name"].get<std::string>().find("<img src=x"), 0U);
  EXPECT_EQ(model["runs"][0]["columns"][0], "</script><b>");
}

TEST(Report, NumbersThatAreNotKnownAreNull) {
  TemporaryFolder folder;
  fs::copy(tiny_runs().full.folder, folder.file("run"), fs::copy_options::recursive);
  write_bytes(folder.file("run/log.txt"), "Valid Loss\tEpoch\nnan\t0\ninf\t1\n");
  ASSERT_EQ(run_tool("report", "--out " + folder.file("page") + " " + folder.file("run")).status, 0);
  const auto model = data_in(read_bytes(folder.file("page/index.html")))["models"][0];
  EXPECT_TRUE(model["before"].is_null());
  EXPECT_TRUE(model["runs"][0]["history"][0][0].is_null());
  EXPECT_TRUE(model["runs"][0]["history"][1][0].is_null());
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
  const auto data = data_in(page);
  EXPECT_EQ(data["models"][0]["status"], "failed");
  EXPECT_TRUE(holds(data["models"][0]["error"], folder.file("broken/checkpoint.h5")));
  EXPECT_EQ(data["models"][1]["name"], "full") << "the others are there";
  EXPECT_TRUE(holds(data["summary"], "not readable: 1"));
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

TEST(Report, ASignalEndsWatchingAfterTheCurrentPage) {
  for (const auto& [signal, status] : {std::pair{"TERM", 143}, {"INT", 130}}) {
    SCOPED_TRACE(signal);
    TemporaryFolder folder;
    const auto result = watch_until(folder, folder.file("page/index.html"), signal);
    EXPECT_EQ(result.status, status);
    EXPECT_EQ(result.err.find("report: " + folder.file("sweep/a/finetune/best_bin.h5")), 0U) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    EXPECT_EQ(data_in(read_bytes(folder.file("page/index.html")))["models"][0]["status"], "failed");
    for (const auto& entry : fs::recursive_directory_iterator(folder.file("page"))) {
      EXPECT_NE(entry.path().filename().string()[0], '.') << entry.path();
    }
  }
}

}  // namespace
}  // namespace bsq::test
