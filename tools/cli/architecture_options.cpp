#include "tools/cli/architecture_options.h"

#include "bsq/nn/network_description.h"
#include "models/registry.h"

namespace bsq::cli {
namespace {

void add_description(OptionTable& table, ModelFlags& flags) {
  table.add("depth", &flags.depth, "layers: 6n+2 with BasicBlock, 9n+2 with Bottleneck")
      .range(1, 100000)
      .default_text("from the file, else 20")
      .resume(ResumeRule::kFixed);
  table.add("block-name", &flags.block_name, "the block that the network repeats")
      .one_of({"BasicBlock", "Bottleneck"})
      .default_text("from the file, else BasicBlock")
      .resume(ResumeRule::kFixed);
  table.add("quantize-shortcut", &flags.quantize_shortcut, "give the 1x1 convolutions of shortcuts bits too")
      .resume(ResumeRule::kFixed);
}

}  // namespace

OptionFamily architecture_family(ModelFlags& flags) {
  return {"arch", NetworkDescription().architecture, architectures,
          [&flags](OptionTable& table, const std::string& name) {
            table.section("Network " + name);
            add_description(table, flags);
          }};
}

}  // namespace bsq::cli
