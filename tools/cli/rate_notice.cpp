#include "tools/cli/rate_notice.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iomanip>
#include <optional>
#include <sstream>

#include "tools/cli/ini.h"
#include "tools/cli/notice.h"

namespace bsq::cli {
namespace {

// --epochs of a run's configuration; nothing where it does not say.
std::optional<int64_t> epochs_in(const Resumable& found) {
  for (const auto& [name, text] : parse_ini(found.file.configuration, found.path)) {
    if (name == "epochs") {
      return std::atoll(text.c_str());
    }
  }
  return std::nullopt;
}

bool changes_rate(const std::vector<std::string>& override_resume) {
  constexpr std::array<const char*, 5> kNames = {"lr", "lr-schedule", "schedule", "gamma", "phases"};
  return std::any_of(override_resume.begin(), override_resume.end(), [&](const auto& name) {
    return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
  });
}

}  // namespace

void say_if_rate_rises(const Trainer& trainer, const Resumable& found, int64_t steps,
                       const std::vector<std::string>& override_resume) {
  const auto before = epochs_in(found);
  const auto state = trainer.state();
  const int64_t epoch = state.next_epoch, step = state.next_step, epochs = trainer.options().epochs;
  const bool is_at_start = epoch == 0 && step == 0;
  if (!before || *before == epochs || is_at_start || epoch >= epochs || changes_rate(override_resume)) {
    return;
  }
  const double last =
      step > 0 ? trainer.rate_at(epoch, step - 1, *before) : trainer.rate_at(epoch - 1, steps - 1, *before);
  const double next = trainer.rate_at(epoch, step, epochs);
  if (next > last) {
    std::ostringstream text;
    text << "--epochs " << *before << " until now, " << epochs
         << " from here on: the learning rate rises again, from " << std::setprecision(3) << last
         << " at the last step to " << next << " at the next one";
    notice(text.str());
  }
}

}  // namespace bsq::cli
