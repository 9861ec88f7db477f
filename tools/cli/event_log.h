#pragma once

#include "bsq/io/event_file.h"
#include "bsq/nn/network.h"
#include "bsq/train/trainer.h"

namespace bsq::cli {

/// What --tensorboard writes beside log.txt; a step is an epoch.
class EventLog {
 public:
  EventLog(const std::string& folder, int64_t first_epoch) : file_(folder, first_epoch) {}

  // What cannot be written (bsq::Error) is tried again with what is added next.

  /// log.txt's columns (the method's as "method/reg_loss"), bits of every tensor, and histograms of the
  /// weights that the network computes with.
  void add_epoch(const EpochReport& report, Network& network);
  /// Accuracy and bits of the final network, at the step after the last epoch.
  void add_final(int64_t epochs, const Evaluation& evaluation, Network& network);
  bool is_flushed() const { return file_.is_flushed(); }

 private:
  void add_network(int64_t step, Network& network);

  EventFile file_;
};

}  // namespace bsq::cli
