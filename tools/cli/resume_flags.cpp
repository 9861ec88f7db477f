#include "tools/cli/resume_flags.h"

#include <set>
#include <sstream>
#include <string>

#include "bsq/base/error.h"
#include "tools/cli/option_error.h"
#include "tools/cli/option_text.h"
#include "tools/cli/resumable.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace po = boost::program_options;
namespace {

using Names = std::set<std::string>;

// What a resumed run may change: how much longer it goes on, how the machine is used, what is saved when.
const Names kFree = {"epochs",      "resume",           "checkpoint",      "config",     "threads",
                     "workers",     "device",           "gpu-id",          "data",       "on-nan",
                     "tensorboard", "checkpoint-steps", "override-resume", "export-pth", "overwrite"};
// What the tensors in the checkpoint decide.
const Names kFixed = {"arch",       "depth",     "block-name", "act",   "act-range",   "quantize-shortcut",
                      "model",      "bin",       "Nbits",      "float", "start-epoch", "evaluate",
                      "layer-bits", "keep-float"};

// What a run may have taken from its model file or from the defaults, where its configuration does not say.
std::string ini_of(const Checkpoint& file) {
  std::ostringstream text;
  const auto& network = file.description;
  text << "arch = " << network.architecture << "\nact = " << network.activation_bits
       << "\nact-range = " << to_string(network.activation_range) << "\ndataset = " << file.dataset << "\n";
  for (const auto& [name, value] : network.options) {
    text << name << " = " << value << "\n";
  }
  return text.str();
}

po::variables_map stored_values(const Resumable& found, const po::options_description& all) {
  po::variables_map stored;
  try {
    for (const auto& text : {found.file.configuration, ini_of(found.file)}) {
      std::istringstream in(text);
      po::store(po::parse_config_file(in, all, /*allow_unregistered=*/true), stored);
    }
  } catch (po::error& error) {
    throw Error(found.path + ": its configuration cannot be read: " + message_of(error));
  }
  return stored;
}

Names overridden(const po::variables_map& given) {
  const auto names = names_of(given["override-resume"].as<std::string>());
  for (const auto& name : names) {
    if (kFixed.count(name) != 0) {
      throw UsageError("--override-resume " + name +
                       ": the checkpoint's tensors depend on it; expected another flag");
    }
    if (given.count(name) == 0 || given[name].defaulted()) {
      throw UsageError("--override-resume " + name + ": expected --" + name + " with its new value too");
    }
  }
  return names;
}

// Fewer epochs than the run was to have.
bool is_shorter(const std::string& name, const po::variable_value& given, const po::variable_value& stored) {
  return name == "epochs" && given.as<int64_t>() < stored.as<int64_t>();
}

void refuse_fewer_than_trained(const po::variables_map& given, const Resumable& found) {
  if (!found.file.training || given["epochs"].defaulted()) {
    return;
  }
  const auto& state = *found.file.training;
  const int64_t begun = state.next_epoch + (state.next_step > 0 ? 1 : 0);
  const auto epochs = given["epochs"].as<int64_t>();
  if (epochs < begun) {
    throw UsageError("--epochs " + std::to_string(epochs) + ": " + found.path + " has " +
                     std::to_string(begun) + " behind it; expected as many or more");
  }
}

}  // namespace

Names names_of(const std::string& list) {
  Names names;
  std::istringstream in(list);
  for (std::string name; std::getline(in, name, ',');) {
    names.insert(name);
  }
  return names;
}

po::variables_map resumed_values(const po::variables_map& given, const po::options_description& all) {
  const auto found = read_resumable(given["checkpoint"].as<std::string>());
  const auto stored = stored_values(found, all);
  const auto chosen = overridden(given);
  refuse_fewer_than_trained(given, found);
  po::variables_map values = stored;
  std::string differences;
  for (const auto& [name, value] : given) {
    const bool is_stored = stored.count(name) != 0;
    const bool may_differ = chosen.count(name) != 0 ||
                            (kFree.count(name) != 0 && !(is_stored && is_shorter(name, value, stored[name])));
    if (!is_stored || name == "checkpoint" || (!value.defaulted() && may_differ)) {
      values.erase(name);
      values.insert({name, value});
    }
    const bool same = is_stored && ini_of(name, stored[name]) == ini_of(name, value);
    if (!value.defaulted() && !same && !may_differ) {
      differences += (differences.empty() ? "" : "; ") + ini_line_of(name, value) + " contradicts " +
                     (is_stored ? ini_line_of(name, stored[name]) : "the default");
    }
  }
  if (!differences.empty()) {
    throw UsageError("--resume: " + differences + " of " + found.path +
                     " (--override-resume NAME,... takes the new value)");
  }
  return values;
}

}  // namespace bsq::cli
