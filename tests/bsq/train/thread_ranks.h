#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bsq/base/ranks.h"
#include "bsq/train/ranks/joined_ranks.h"

namespace bsq::test {

/// Runs `work` on so many threads, each of them a rank with current_ranks(). What one throws is a test
/// failure.
inline void on_ranks(int64_t count, const std::function<void(Ranks& ranks)>& work) {
  static std::atomic<int> groups{0};
  const auto meeting = MeetingPoint::open();
  const auto prefix = "group" + std::to_string(groups++);
  std::vector<std::string> errors(static_cast<size_t>(count));
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < count; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        RankPlace place;
        place.rank = place.local_rank = rank;
        place.count = place.local_count = count;
        place.port = meeting->port();
        place.is_store_elsewhere = true;
        place.prefix = prefix;
        const auto joined = JoinedRanks::join(place, torch::kCPU, [](int64_t, const std::string&) {});
        const RanksScope scope(joined.get());
        try {
          work(*joined);
        } catch (const std::exception& error) {
          joined->fail(error.what());
          throw;
        }
      } catch (const std::exception& error) {
        errors[static_cast<size_t>(rank)] = error.what();
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  for (const auto& error : errors) {
    EXPECT_EQ(error, "");
  }
}

}  // namespace bsq::test
