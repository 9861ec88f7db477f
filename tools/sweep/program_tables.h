#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bsq/base/options.h"

namespace bsq::cli {

/// The options of a program that a sweep runs, those of every method and architecture among them.
class ProgramTables {
 public:
  /// Those of bsq_train or finetune; of another name there are none.
  static const ProgramTables& of(const std::string& program);

  /// Whether the program has an option of this name, whatever the method.
  bool knows(const std::string& name) const;
  /// An option's own name: "alpha" for "decay". A name that the program does not have is given back as it is.
  std::string own_name(const std::string& name) const;
  /// The option and the word of this name; the word is null where there is none.
  std::pair<const Option*, const OptionWord*> word(const std::string& name) const;

 private:
  explicit ProgramTables(const std::string& program);

  struct Holder;
  std::shared_ptr<Holder> holder_;
  std::vector<const OptionTable*> tables_;
};

}  // namespace bsq::cli
