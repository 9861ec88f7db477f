#include "bsq/train/ranks/rank_watch.h"

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "bsq/base/error.h"
#include "bsq/train/ranks/rank_place.h"

namespace bsq::test {
namespace {

/// What all ranks of a test write on.
struct Words {
  std::mutex mutex;
  std::map<std::string, std::string> texts;
};

class SharedBoard : public Board {
 public:
  explicit SharedBoard(Words& words) : words_(words) {}
  void put(const std::string& key, const std::string& text) override {
    const std::lock_guard<std::mutex> lock(words_.mutex);
    words_.texts[key] = text;
  }
  std::string read(const std::string& key) override {
    const std::lock_guard<std::mutex> lock(words_.mutex);
    return words_.texts.at(key);
  }

 private:
  Words& words_;
};

RankWatchOptions quick(int64_t rank) {
  RankWatchOptions options;
  options.rank = rank;
  options.count = 2;
  options.board_rank = -1;
  options.period = std::chrono::milliseconds(20);
  options.silence = std::chrono::milliseconds(800);
  options.short_silence = std::chrono::milliseconds(300);
  options.grace = std::chrono::milliseconds(100);
  return options;
}

/// What a watch says of a rank that is lost.
struct Report {
  std::mutex mutex;
  std::string text;
  RankWatch::Lost lost() {
    return [this](int64_t rank, const std::string& how) {
      const std::lock_guard<std::mutex> guard(mutex);
      text = std::to_string(rank) + " " + how;
    };
  }
  std::string after(std::chrono::milliseconds wait) {
    for (auto left = wait; left.count() > 0; left -= std::chrono::milliseconds(20)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      const std::lock_guard<std::mutex> guard(mutex);
      if (!text.empty()) {
        return text;
      }
    }
    return "";
  }
};

TEST(RankWatch, FindsASilentRankAndOneThatFailedButNotOneThatIsDone) {
  Words words;
  SharedBoard board(words);
  for (const auto& [text, expected] :
       std::map<std::string, std::string>{{"alive 3", "1 gives no sign of life"},
                                          {"lost: ended: no disk", "1 ended: no disk"},
                                          {"done", ""}}) {
    RankWatch::announce(board, 0);
    board.put("rank/1", text);
    Report report;
    RankWatch watch(std::make_unique<SharedBoard>(words), quick(0), report.lost());
    EXPECT_EQ(report.after(std::chrono::milliseconds(2000)), expected) << text;
  }
}

TEST(RankWatch, TwoThatLiveMissNobodyAndSayGoodBye) {
  Words words;
  SharedBoard board(words);
  RankWatch::announce(board, 0);
  RankWatch::announce(board, 1);
  Report reports[2];
  {
    RankWatch first(std::make_unique<SharedBoard>(words), quick(0), reports[0].lost());
    {
      RankWatch second(std::make_unique<SharedBoard>(words), quick(1), reports[1].lost());
      EXPECT_EQ(reports[0].after(std::chrono::milliseconds(1500)), "");
    }
    EXPECT_EQ(words.texts.at("rank/1"), "done");
    EXPECT_EQ(reports[0].after(std::chrono::milliseconds(1000)), "");
  }
  EXPECT_EQ(reports[1].after(std::chrono::milliseconds(20)), "");
}

TEST(RankWatch, AFailedOperationIsExplainedByTheRankThatIsLost) {
  Words words;
  SharedBoard board(words);
  RankWatch::announce(board, 0);
  RankWatch::announce(board, 1);
  Report report;
  RankWatch watch(std::make_unique<SharedBoard>(words), quick(0), report.lost());
  EXPECT_THROW(watch.explain("connection closed"), Error);
  EXPECT_EQ(report.text, "1 gives no sign of life");
}

/// A thread that does a step and stands still in it until it is told to go on.
class StillStep {
 public:
  explicit StillStep(StepWatch& steps)
      : thread_([this, &steps] {
          steps.begin_step(Ranks::StepKind::kTraining);
          has_begun_.set_value();
          end_.get_future().wait();
          steps.end_step();
        }) {
    has_begun_.get_future().wait();
  }
  ~StillStep() {
    end_.set_value();
    thread_.join();
  }

 private:
  std::promise<void> has_begun_, end_;
  std::thread thread_;
};

bool starts(const std::string& text, const std::string& with) { return text.rfind(with, 0) == 0; }

TEST(RankWatch, ARankThatHangsSaysSoToTheOthersAndEnds) {
  Words words;
  SharedBoard board(words);
  RankWatch::announce(board, 0);
  RankWatch::announce(board, 1);
  Report reports[2];
  auto options = quick(0);
  options.steps.stillness = std::chrono::milliseconds(300);
  RankWatch hanging(std::make_unique<SharedBoard>(words), options, reports[0].lost());
  RankWatch other(std::make_unique<SharedBoard>(words), quick(1), reports[1].lost());
  const StillStep step(hanging.steps());
  EXPECT_TRUE(starts(reports[0].after(std::chrono::milliseconds(5000)), "0 hangs: it has done nothing for"));
  EXPECT_TRUE(starts(reports[1].after(std::chrono::milliseconds(5000)), "0 hangs: it has done nothing for"));
}

// Looks for so long; the first complaint.
std::string look_for(StepWatch& steps, std::chrono::milliseconds time) {
  const auto end = StepWatch::Clock::now() + time;
  std::string found;
  while (found.empty() && StepWatch::Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    found = steps.look();
  }
  return found;
}

TEST(StepWatch, MissesAThreadThatStandsStillButNotInAnOperationOrBetweenSteps) {
  StepWatchOptions options;
  options.stillness = std::chrono::milliseconds(200);
  StepWatch steps(options);
  EXPECT_EQ(look_for(steps, std::chrono::milliseconds(400)), "");
  {
    const StillStep step(steps);
    steps.begin_operation();
    EXPECT_EQ(look_for(steps, std::chrono::milliseconds(400)), "");
    steps.end_operation();
    EXPECT_TRUE(starts(look_for(steps, std::chrono::milliseconds(5000)), "hangs: it has done nothing for"));
    steps.forgive();
    EXPECT_EQ(steps.look(), "");
  }
  EXPECT_EQ(look_for(steps, std::chrono::milliseconds(400)), "");
}

// The first step of a kind may take any time; later ones have a limit.
TEST(StepWatch, MissesAThreadThatComputesWithoutEnd) {
  StepWatchOptions options;
  options.least_limit = std::chrono::milliseconds(300);
  StepWatch steps(options);
  const auto spin = [](std::chrono::milliseconds time) {
    for (const auto end = StepWatch::Clock::now() + time; StepWatch::Clock::now() < end;) {
    }
  };
  std::string found;
  std::thread computing([&] {
    for (const auto kind : {Ranks::StepKind::kTraining, Ranks::StepKind::kEvaluation}) {
      steps.begin_step(kind);
      spin(std::chrono::milliseconds(10));
      if (kind == Ranks::StepKind::kEvaluation) {
        spin(std::chrono::milliseconds(600));
        EXPECT_EQ(steps.look(), "");
      }
      steps.end_step();
    }
    steps.begin_step(Ranks::StepKind::kTraining);
    spin(std::chrono::milliseconds(600));
    found = steps.look();
    steps.end_step();
  });
  computing.join();
  EXPECT_TRUE(starts(found, "hangs: it has computed for 0 s")) << found;
}

std::optional<RankPlace> place_in(const std::map<std::string, std::string>& variables) {
  return rank_place([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(RankPlace, IsWhatTheLauncherSays) {
  EXPECT_FALSE(place_in({}));
  EXPECT_FALSE(place_in({{"RANK", "0"}, {"WORLD_SIZE", "1"}}));
  EXPECT_FALSE(place_in({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}}));  // a batch script, not a step
  const auto torchrun = place_in({{"RANK", "3"},
                                  {"WORLD_SIZE", "4"},
                                  {"LOCAL_RANK", "1"},
                                  {"LOCAL_WORLD_SIZE", "2"},
                                  {"MASTER_ADDR", "head"},
                                  {"MASTER_PORT", "1234"},
                                  {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                  {"SLURM_PROCID", "0"},
                                  {"SLURM_STEP_NUM_TASKS", "9"}});
  EXPECT_EQ(torchrun->rank, 3);
  EXPECT_EQ(torchrun->count, 4);
  EXPECT_EQ(torchrun->local_rank, 1);
  EXPECT_EQ(torchrun->local_count, 2);
  EXPECT_EQ(torchrun->host, "head");
  EXPECT_EQ(torchrun->port, 27046) << "torchrun's own store is at 1234";
  EXPECT_FALSE(torchrun->is_store_elsewhere);
  const auto slurm = place_in({{"SLURM_PROCID", "2"},
                               {"SLURM_STEP_NUM_TASKS", "4"},
                               {"SLURM_LOCALID", "0"},
                               {"SLURM_STEP_TASKS_PER_NODE", "2(x2)"},
                               {"SLURM_STEP_NODELIST", "gpu[07-08]"},
                               {"SLURM_JOB_ID", "31"}});
  EXPECT_EQ(slurm->rank, 2);
  EXPECT_EQ(slurm->local_count, 2);
  EXPECT_EQ(slurm->host, "gpu07");
  EXPECT_FALSE(slurm->is_store_elsewhere);
  const auto mpi = place_in({{"OMPI_COMM_WORLD_RANK", "1"},
                             {"OMPI_COMM_WORLD_SIZE", "2"},
                             {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                             {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  EXPECT_EQ(mpi->host, "127.0.0.1");
}

// The store of a torchrun is at MASTER_PORT, that of its ranks elsewhere.
TEST(RankPlace, TorchrunsAtNeighbouringPortsDoNotMeet) {
  std::set<int> taken;
  for (int port = 29400; port < 29600; ++port) {
    const auto place = place_in({{"RANK", "0"},
                                 {"WORLD_SIZE", "2"},
                                 {"MASTER_PORT", std::to_string(port).c_str()},
                                 {"TORCHELASTIC_USE_AGENT_STORE", "True"}});
    EXPECT_NE(place->port, port);
    EXPECT_TRUE(place->port < 29400 || place->port >= 29600) << port;
    EXPECT_TRUE(taken.insert(place->port).second) << port;
  }
}

TEST(RankPlace, RefusesWhatMakesNoSense) {
  EXPECT_THROW(place_in({{"RANK", "4"}, {"WORLD_SIZE", "4"}}), Error);
  EXPECT_THROW(place_in({{"RANK", "x"}, {"WORLD_SIZE", "4"}}), Error);
  EXPECT_THROW(place_in({{"RANK", "0"}, {"WORLD_SIZE", "4"}, {"LOCAL_WORLD_SIZE", "2"}}), Error);
  EXPECT_THROW(place_in({{"RANK", "0"}, {"WORLD_SIZE", "4"}, {"MASTER_PORT", "70000"}}), Error);
}

TEST(RankPlace, TheFirstHostOfSlurmsShortForm) {
  EXPECT_EQ(first_host("one"), "one");
  EXPECT_EQ(first_host("one,two"), "one");
  EXPECT_EQ(first_host("node[07-09,12],x"), "node07");
  EXPECT_EQ(first_host("n[3,5]-ib"), "n3-ib");
  EXPECT_THROW(first_host("n["), Error);
}

}  // namespace
}  // namespace bsq::test
