#include "tools/cli/resume_flags.h"

#include <algorithm>
#include <vector>

#include "bsq/base/error.h"
#include "tools/cli/ini.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

using Names = std::vector<std::string>;

// What a run may have taken from its model file or from the defaults, where its configuration does not say.
OptionTexts texts_of(const Checkpoint& file) {
  const auto& network = file.description;
  OptionTexts texts = {{"arch", network.architecture},
                       {"act", std::to_string(network.activation_bits)},
                       {"act-range", to_string(network.activation_range)},
                       {"dataset", file.dataset}};
  texts.insert(texts.end(), network.options.begin(), network.options.end());
  return texts;
}

OptionTexts stored_texts(const Resumable& found) {
  const auto from = found.path + ": its configuration cannot be read";
  OptionTexts texts;
  try {
    texts = parse_ini(found.file.configuration, from);
  } catch (const UsageError& error) {
    throw Error(error.what());
  }
  for (const auto& [name, text] : texts_of(found.file)) {
    const auto same = [&name = name](const auto& pair) { return pair.first == name; };
    if (!text.empty() && std::none_of(texts.begin(), texts.end(), same)) {
      texts.emplace_back(name, text);
    }
  }
  return texts;
}

// The options that --override-resume names, by their own names.
Names overridden_options(OptionTable& table, const std::map<std::string, std::string>& stored) {
  Names names;
  for (const auto& written : list_entries(table.find("override-resume")->text())) {
    const auto refused = "--override-resume " + written + ": ";
    const auto* option = table.find(written);
    if (option == nullptr) {
      throw UsageError(refused + "expected the name of an option");
    }
    if (option->resume_rule() == ResumeRule::kFixed) {
      throw UsageError(refused + "the checkpoint's tensors depend on it; expected another option");
    }
    const bool is_given =
        option->source() == OptionSource::kCall || option->text() != stored.at(option->name());
    if (!is_given) {
      throw UsageError(refused + "expected --" + written + " with its new value too");
    }
    names.push_back(option->name());
  }
  return names;
}

}  // namespace

ResumedRun::ResumedRun(const std::string& folder)
    : found_(read_resumable(folder)), texts_(stored_texts(found_)) {}

void ResumedRun::fill(OptionTable& table) {
  OptionTexts known;
  for (const auto& [name, text] : texts_) {
    const auto* option = table.find(name);
    if (table.knows(name) && (option == nullptr || option->name() != "out")) {
      known.emplace_back(name, text);
    }
  }
  try {
    table.set_all(known, OptionSource::kFile);
  } catch (const OptionError& error) {
    throw Error(found_.path + ": its configuration cannot be read: " + error.what());
  }
  for (const auto& option : table.options()) {
    stored_[option.name()] = option.text();
  }
}

// A shorter run is another one, whatever the rule of --epochs.
bool ResumedRun::may_differ(const Option& option, const std::string& stored, const Names& overridden) const {
  if (std::find(overridden.begin(), overridden.end(), option.name()) != overridden.end()) {
    return true;
  }
  if (option.name() == "epochs") {
    return std::stoll(option.text()) >= std::stoll(stored);
  }
  return option.resume_rule() == ResumeRule::kFree || option.resume_rule() == ResumeRule::kCall;
}

void ResumedRun::refuse_fewer_than_trained(const Option& epochs) const {
  if (!found_.file.training || epochs.source() != OptionSource::kCall) {
    return;
  }
  const auto& state = *found_.file.training;
  const int64_t begun = state.next_epoch + (state.next_step > 0 ? 1 : 0);
  if (std::stoll(epochs.text()) < begun) {
    throw UsageError("--epochs " + epochs.text() + ": " + found_.path + " has " + std::to_string(begun) +
                     " behind it; expected as many or more");
  }
}

void ResumedRun::check(OptionTable& table) const {
  const auto overridden = overridden_options(table, stored_);
  refuse_fewer_than_trained(*table.find("epochs"));
  std::string differences;
  for (const auto& option : table.options()) {
    const auto& stored = stored_.at(option.name());
    if (option.text() != stored && !may_differ(option, stored, overridden)) {
      differences += (differences.empty() ? "" : "; ") + option.name() + " = " + option.text() +
                     " contradicts " + (stored.empty() ? "the default" : option.name() + " = " + stored);
    }
  }
  if (!differences.empty()) {
    throw UsageError("--resume: " + differences + " of " + found_.path +
                     " (--override-resume NAME,... takes the new value)");
  }
  std::string names;
  for (const auto& name : overridden) {
    names += (names.empty() ? "" : ",") + name;
  }
  table.find("override-resume")->set(names);
}

}  // namespace bsq::cli
