#include "tools/sweep/program_tables.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>

#include "bsq_train/train_options.h"
#include "finetune/finetune_options.h"

namespace bsq::cli {

// A command line of each program, which is never parsed, and a table for each member of its families.
struct ProgramTables::Holder {
  TrainOptions train;
  FinetuneOptions finetune;
  CommandLine train_line = train_command_line();
  CommandLine finetune_line = finetune_command_line();
  std::deque<OptionTable> members;
};

ProgramTables::ProgramTables(const std::string& program) : holder_(std::make_shared<Holder>()) {
  add_options(holder_->train_line, holder_->train);
  add_options(holder_->finetune_line, holder_->finetune);
  if (program != "bsq_train" && program != "finetune") {
    return;
  }
  const auto& line = program == "finetune" ? holder_->finetune_line : holder_->train_line;
  tables_ = {&line.table()};
  for (const auto& family : line.families()) {
    for (const auto& name : family.names()) {
      family.add(holder_->members.emplace_back(), name);
      tables_.push_back(&holder_->members.back());
    }
  }
}

const ProgramTables& ProgramTables::of(const std::string& program) {
  static const ProgramTables train("bsq_train");
  static const ProgramTables finetune("finetune");
  static const ProgramTables none("");
  return program == "bsq_train" ? train : program == "finetune" ? finetune : none;
}

bool ProgramTables::knows(const std::string& name) const {
  return std::any_of(tables_.begin(), tables_.end(),
                     [&](const OptionTable* table) { return table->knows(name); });
}

std::string ProgramTables::own_name(const std::string& name) const {
  for (const auto* table : tables_) {
    if (const auto* option = table->find(name)) {
      return option->name();
    }
  }
  return name;
}

std::pair<const Option*, const OptionWord*> ProgramTables::word(const std::string& name) const {
  for (const auto* table : tables_) {
    if (const auto found = table->find_word(name); found.second != nullptr) {
      return found;
    }
  }
  return {nullptr, nullptr};
}

}  // namespace bsq::cli
