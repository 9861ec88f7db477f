#include "tools/cli/architecture_options.h"

#include "bsq/nn/network_description.h"
#include "models/registry.h"

namespace bsq::cli {
namespace {

constexpr const char* kSection = "Network ";

// The file's value counts where nobody gives another.
void say_default(Option& option) {
  option.stored_if_given();
  if (!option.is_switch()) {
    option.default_text("from the file, else " + option.text());
  }
}

}  // namespace

OptionFamily architecture_family(ModelFlags& flags) {
  return {"arch", NetworkDescription().architecture, architectures,
          [&flags](OptionTable& table, const std::string& name) {
            const std::shared_ptr<Architecture> architecture = make_architecture(name);
            if (!architecture) {
              return;
            }
            flags.architectures.push_back(architecture);
            table.section(kSection + name);
            const size_t first = table.options().size();
            architecture->add_options(table);
            for (size_t i = first; i < table.options().size(); ++i) {
              say_default(table.options()[i]);
            }
          }};
}

void take_architecture_options(const OptionTable& table, ModelFlags& flags) {
  for (const auto& option : table.options()) {
    if (option.section().rfind(kSection, 0) == 0 && option.is_given()) {
      flags.network[option.name()] = option.text();
    }
  }
}

}  // namespace bsq::cli
