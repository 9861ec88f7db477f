#include <iostream>
#include <set>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/io/checkpoint/program_text.h"
#include "bsq/nn/fixed_bits.h"
#include "bsq/nn/network_sizes.h"
#include "bsq/nn/network_state.h"
#include "bsq/quant/quantizer.h"
#include "bsq/train/statistics.h"
#include "convert/convert_options.h"
#include "convert/fused_network.h"
#include "tools/cli/conversion.h"
#include "tools/cli/earlier_run.h"
#include "tools/cli/export.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/memory.h"
#include "tools/cli/run_folder.h"
#include "tools/cli/session.h"
#include "tools/cli/summary_writer.h"

namespace bsq::cli {
namespace {

// A layer that neither has bits in the file nor is float there is missing.
void require_all_layers(Network& network, const Checkpoint& file, const Scheme& scheme) {
  std::set<std::string> names;
  for (const auto& [name, stored] : file.network) {
    names.insert(name);
  }
  for (const auto& [path, layer] : quant_layers(network)) {
    if (scheme.count(path) == 0 && names.count(path + ".weight") == 0) {
      throw std::invalid_argument("scheme: layer " + path + " of the network is missing");
    }
  }
}

void convert_network(Network& network, const ConvertOptions& options,
                     const std::optional<Checkpoint>& scheme_file) {
  make_float(network);
  if (!scheme_file) {
    const auto rules = layer_rules(options.model);
    check_layer_rules(network, rules);
    to_fixed_bits(network, rules);
    return;
  }
  try {
    const auto scheme = scheme_of(scheme_file->network);
    require_all_layers(network, *scheme_file, scheme);
    to_fixed_bits(network, scheme);
  } catch (const std::invalid_argument& error) {
    throw Error(options.scheme_file + ": " + error.what());
  }
}

// What comes of the model; fused, its network is another one.
void convert_model(Model& model, const ConvertOptions& options,
                   const std::optional<Checkpoint>& scheme_file) {
  if (!options.fuse) {
    convert_network(*model.network, options, scheme_file);
    return;
  }
  try {
    model.network = fused_network(*model.network);
  } catch (const std::invalid_argument& error) {
    throw Error(options.model.model + ": " + error.what());
  }
}

Checkpoint converted(const Model& model, const Data& data, const Evaluation& evaluation) {
  Checkpoint checkpoint;
  checkpoint.method = GridQuantizer::kKind;
  checkpoint.description = model.network->description();
  checkpoint.dataset = data.dataset;
  checkpoint.data = data.record;
  checkpoint.top1 = evaluation.top1();
  checkpoint.epoch = model.origin.epoch;
  const auto sizes = sizes_of(*model.network);
  checkpoint.comp = sizes.comp();
  checkpoint.comp_stored = sizes.comp_stored();
  checkpoint.program = program_text(*model.network);
  checkpoint.network = codes_of_network(*model.network);
  return checkpoint;
}

int run(const ConvertOptions& options) {
  const auto device = set_up_runtime(options.runtime, options.data.seed);
  const std::vector<std::string> inputs = {options.model.model, options.scheme_file};
  check_output_file({"export-pth", options.export_file, inputs, options.output.folder, options.overwrite});
  const auto file = read_named_model(options.model);
  std::optional<Checkpoint> scheme_file;
  if (!options.scheme_file.empty()) {
    scheme_file = read_scheme_file(options.scheme_file);
  }
  auto data = load_data(options.data, options.runtime, file);
  auto model = make_model(options.model, file, data, device);
  // What cannot be converted or written is found before the evaluation, which takes long.
  auto rehearsed = make_model(options.model, file, data, device);
  convert_model(rehearsed, options, scheme_file);
  const RunFolder folder(options.output);
  refuse_own_input(folder.folder(), inputs);
  refuse_foreign_files(folder.folder());
  refuse_training_run(folder.folder(), "another folder as --out");
  if (!options.overwrite) {
    refuse_earlier_run(folder.folder(), "another folder as --out, or --overwrite");
  }
  print_data(data);
  calibrate_if_needed(*model.network, data, std::cout);
  SummaryWriter summary(folder,
                        summary_at_start("convert", "converted", options.model.model, options.runtime),
                        /*keeps_best=*/true);
  const auto before = evaluate_finite(*model.network, *data.test);
  report_damage(data);
  summary.take_start(before);
  std::cout << "before: " << text_of(before) << std::endl;
  convert_model(model, options, scheme_file);
  const auto evaluation = evaluate_finite(*model.network, *data.test);
  print_statistics(std::cout, *model.network);
  const auto checkpoint = converted(model, data, evaluation);
  folder.write("model_best.h5", checkpoint);
  summary.keep("model_best.h5", checkpoint, evaluation);
  summary.write(RunStatus::kDone);
  folder.write_configuration();
  if (!options.export_file.empty()) {
    export_model(options.export_file, *model.network, checkpoint, evaluation.top1());
  }
  std::cout << "after: " << text_of(evaluation) << std::endl;
  return 0;
}

}  // namespace
}  // namespace bsq::cli

int convert_main(int argc, char** argv) {
  return bsq::cli::guarded_main("convert", argc, argv, [&] {
    const auto options = bsq::cli::parse_convert_options(argc, argv);
    return bsq::cli::with_memory_errors(options.data, [&] { return bsq::cli::run(options); });
  });
}
