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
  return tiny_runs().full().folder + " " + tiny_runs().bsq().folder + " " + tiny_runs().finetuned().folder;
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
  const auto& trained = tiny_runs().bsq().folder;
  EXPECT_EQ(model["commands"][0],
            "bsq_train --config " + trained + "/config.cfg --checkpoint " + trained + "-again");
}

TEST(Report, LatencyIsMeasuredWhereItIsAsked) {
  TemporaryFolder folder;
  const auto refused = folder.file("refused");
  fs::create_directories(refused);
  fs::copy(tiny_runs().bsq().file("model_best.h5"), refused);  // planes, not codes
  const auto models_of = [&](const std::string& flags, const std::string& err) {
    const auto result =
        run_tool("report", flags + "--out " + folder.file("page") + " " + refused + " " + runs());
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.err.substr(0, err.size()), err);
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), err.empty() ? 0 : 1) << result.err;
    return data_in(read_bytes(folder.file("page/index.html")))["models"];
  };
  const auto without = models_of("", "");
  const auto with = models_of("--latency ", "report: no latency: " + refused + "/model_best.h5: ");
  ASSERT_EQ(with.size(), 3U);
  for (size_t i = 0; i < with.size(); ++i) {
    EXPECT_TRUE(without[i]["latency_ms"].is_null());
    EXPECT_GT(with[i]["bit_operations"].get<int64_t>(), 0) << with[i]["name"];
  }
  EXPECT_TRUE(with[0]["latency_ms"].is_null());
  EXPECT_GT(with[1]["latency_ms"].get<double>(), 0) << "float";
  EXPECT_GT(with[2]["latency_ms"].get<double>(), 0) << "in bits";
}

// Whatever a run is called, its name stays text.
TEST(Report, HostileNamesStayInsideTheData) {
  TemporaryFolder folder;
  const auto run = folder.file("<img src=x onerror=alert(1)>&\"'\xff");
  fs::create_directories(run);
  fs::copy(tiny_runs().bsq().folder, run, fs::copy_options::recursive);
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

// The shell that starts report gets the names quoted; nothing else may see a shell.
std::string quoted(const std::string& name) {
  std::string text = "'";
  for (const char c : name) {
    text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return text + "'";
}

TEST(Report, HostileNamesOfFoldersAreOnlyNames) {
  TemporaryFolder folder;
  const std::vector<std::string> names = {
      "`touch hacked`", "$(touch hacked)", "%s%n", "quo\"te's",    "back\\slash", "@DATA@", "<script>x",
      "a\nb",           "\xff\xfe",        "-x",   "\u2028\u2029", "\x1b[31m"};
  for (const auto& name : names) {
    SCOPED_TRACE(name);
    const auto place = folder.file("in/" + name);
    fs::create_directories(fs::path(place).parent_path());
    fs::copy(tiny_runs().bsq().folder, place);
    const auto result = run_command("cd " + folder.path().string() + " && '" + program("report") +
                                    "' --out=" + quoted("out-" + name) + " " + quoted("in/" + name));
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
    EXPECT_EQ(result.out.find('\x1b'), std::string::npos);
    EXPECT_FALSE(fs::exists(folder.file("hacked")));
    const auto page = read_bytes(folder.file("out-" + name) + "/index.html");
    EXPECT_EQ(count_of(page, "\u2028"), 0U);
    EXPECT_EQ(count_of(page, "</script>"), 2U);
    const auto model = data_in(page)["models"][0];
    if (name[0] != '\xff') {
      EXPECT_EQ(model["name"], name);
    }
    // The command to run it again is one line that a shell reads as this folder.
    const auto command = model["commands"][0].get<std::string>();
    const auto words =
        run_command("bash -c " + quoted("printf '%s' " + command.substr(command.find("--config") + 8)));
    EXPECT_EQ(words.out, "in/" + name + "/config.cfg--checkpointin/" + name + "-again") << command;
  }
  EXPECT_FALSE(fs::exists(folder.file("hacked")));
}

TEST(Report, AFileThatNoReportWroteStays) {
  TemporaryFolder folder;
  const auto out = folder.file("page"), file = out + "/index.html";
  const auto refused = [&](const std::string& flags) {
    const auto before = fs::is_regular_file(file) ? read_bytes(file) : "";
    const auto result = run_tool("report", flags + "--out " + out + " " + tiny_runs().full().folder);
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.err.find("report: " + file + ": not a page of report; expected another folder"), 0U)
        << result.err;
    EXPECT_EQ(fs::is_regular_file(file) ? read_bytes(file) : "", before);
    return holds(result.err, "--overwrite");
  };
  const auto written = [&](const std::string& flags) {
    EXPECT_EQ(run_tool("report", flags + "--out " + out + " " + tiny_runs().full().folder).status, 0);
    return holds(read_bytes(file), "\n<meta name=\"generator\" content=\"BSQ report\">\n");
  };
  EXPECT_TRUE(written(""));
  EXPECT_TRUE(written("")) << "its own page is written anew";
  write_bytes(file, "<!doctype html>\n<title>my page</title>\n");
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(written("--overwrite "));
  fs::remove(file);
  fs::create_symlink("/dev/null", file);
  EXPECT_TRUE(refused(""));
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_FALSE(refused("--overwrite "));
}

TEST(Report, AFileInAFolderThatIsReadStays) {
  TemporaryFolder folder;
  const auto run = folder.file("run");
  fs::copy(tiny_runs().bsq().folder, run);
  write_bytes(run + "/index.html", "notes\n");
  for (const std::string& in : {run, folder.path().string(), run + "/"}) {
    const auto result = run_tool("report", "--overwrite --out " + run + " " + in);
    EXPECT_EQ(result.status, 1) << in;
    EXPECT_EQ(read_bytes(run + "/index.html"), "notes\n");
  }
  EXPECT_EQ(run_tool("report", "--out " + run + "/page " + run).status, 0);
}

TEST(Report, ASignalEndsReading) {
  TemporaryFolder folder;
  fs::create_directories(folder.file("run"));
  const auto file = folder.file("run/checkpoint.h5");
  fs::copy(tiny_runs().bsq().file("checkpoint.h5"), file);
  fs::resize_file(file, uintmax_t{200} << 30);  // minutes, to see that its checksum is wrong
  for (const auto& [signal, status] : {std::pair{"TERM", 143}, {"INT", 130}}) {
    const auto result =
        run_command("timeout -k 5 -s " + std::string(signal) + " 1 '" + program("report") +
                    "' --watch 1 --out " + folder.file("page") + " " + folder.file("run") + "; echo $?");
    EXPECT_EQ(result.out, "124\n") << signal << " " << status << result.err;
    EXPECT_FALSE(fs::exists(folder.file("page")));
  }
}

TEST(Report, WatchEndsWhereNobodyWorks) {
  TemporaryFolder folder;
  const auto sweep = folder.file("sweep");
  fs::create_directories(sweep);
  write_bytes(sweep + "/results.json",
              R"({"status":"running","points":[{"name":"a","folder":"a","status":"waiting"}]})");
  const auto result = run_command("timeout 60 '" + program("report") + "' --watch 1 --out " +
                                  folder.file("page") + " " + sweep);
  EXPECT_EQ(result.status, 0) << result.err;
  const auto page = read_bytes(folder.file("page/index.html"));
  EXPECT_EQ(data_in(page)["models"][0]["status"], "stopped");
  EXPECT_EQ(page.find("http-equiv"), std::string::npos);
}

TEST(Report, TheCurveOfCompGoesToTheFinalAdjustment) {
  TemporaryFolder folder;
  ASSERT_EQ(run_tool("report", "--out " + folder.file("page") + " " + runs()).status, 0);
  const auto models = data_in(read_bytes(folder.file("page/index.html")))["models"];
  const auto& trained = models[1]["runs"][0];
  EXPECT_EQ(trained["final"]["Comp"], trained["adjustments"][3]["comp"]);
  EXPECT_EQ(trained["rows"], 3);
  EXPECT_EQ(models[0]["picked"], "best epoch, picked on the test set");
  EXPECT_EQ(models[1]["picked"], "best epoch, picked on the test set") << "of finetuning";
}

TEST(Report, WhatTheAccuracyIsOfIsSaid) {
  TemporaryFolder folder;
  run_tiny("bsq_train", "--float --depth 8 --epochs 1 --lr 0.05 --schedule 10 --val-split 20 --checkpoint " +
                            folder.file("held-out"));
  ASSERT_EQ(run_tool("report", "--out " + folder.file("page") + " " + folder.file("held-out") + " " +
                                   tiny_runs().eight_bits().folder + " " + tiny_runs().bsq().folder)
                .status,
            0);
  const auto models = data_in(read_bytes(folder.file("page/index.html")))["models"];
  EXPECT_EQ(models[0]["picked"], "best epoch, picked on images held out of training");
  EXPECT_EQ(models[1]["picked"], "as converted");
  EXPECT_EQ(models[2]["picked"], "last epoch");
}

TEST(Report, NumbersThatAreNotKnownAreNull) {
  TemporaryFolder folder;
  fs::copy(tiny_runs().full().folder, folder.file("run"), fs::copy_options::recursive);
  write_bytes(folder.file("run/log.txt"), "Valid Loss\tEpoch\nnan\t0\ninf\t1\n1e308\t2\n");
  ASSERT_EQ(run_tool("report", "--out " + folder.file("page") + " " + folder.file("run")).status, 0);
  const auto model = data_in(read_bytes(folder.file("page/index.html")))["models"][0];
  EXPECT_TRUE(model["before"].is_null());
  EXPECT_TRUE(model["runs"][0]["history"][0][0].is_null());
  EXPECT_TRUE(model["runs"][0]["history"][1][0].is_null());
  EXPECT_TRUE(model["runs"][0]["history"][2][0].is_null());
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

// A shell's line: a process that holds a sweep's folder, as a sweep that goes on does.
std::string hold(const std::string& sweep) {
  return "flock -F " + sweep + "/.lock sleep 100 & lock=$!; while flock -n " + sweep +
         "/.lock true; do sleep 0.02; done; ";
}

// A sweep's record whose second point still waits: the page is written twice and says so, and refreshes.
TEST(Report, WatchRewritesThePageUntilTheSweepIsDone) {
  TemporaryFolder folder;
  const auto sweep = folder.file("sweep");
  fs::create_directories(sweep + "/a");
  fs::copy(tiny_runs().bsq().folder, sweep + "/a/bsq", fs::copy_options::recursive);
  const std::string head = R"({"points":[{"name":"a","folder":"a","status":"done","flags":{"alpha":"4"}},)";
  const std::string waits = R"({"name":"b","folder":"b","status":")";
  const std::string tail = R"(","flags":{"alpha":"5"}}]})";
  write_bytes(sweep + "/results.json", head + waits + "waiting" + tail);
  write_bytes(folder.file("done.json"), head + waits + "done" + tail);
  const auto page = folder.file("page/index.html");
  const auto result =
      run_command(hold(sweep) + "'" + program("report") + "' --watch 1 --out " + folder.file("page") + " " +
                  sweep + " & pid=$!; for i in $(seq 1000); do [ -e " + page +
                  " ] && break; sleep 0.05; done; cp " + page + " " + folder.file("first.html") + "; mv " +
                  folder.file("done.json") + " " + sweep + "/results.json; kill $lock; wait $pid");
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
  fs::copy(tiny_runs().bsq().folder, sweep + "/a/bsq");
  write_bytes(sweep + "/a/finetune/best_bin.h5", "not a model\n");
  write_bytes(sweep + "/results.json",
              R"({"status":"running","points":[{"name":"a","folder":"a","flags":{"alpha":"4"}}]})");
  return run_command(hold(sweep) + "'" + program("report") + "' --watch 1 --out " + folder.file("page") +
                     " " + sweep + " & pid=$!; for i in $(seq 2000); do ls -d " + file +
                     " >/dev/null 2>&1 && break; sleep 0.02; done; kill -" + signal +
                     " $pid; wait $pid; status=$?; kill $lock; exit $status");
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
