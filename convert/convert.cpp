#include <iostream>

#include "bsq/base/error.h"
#include "bsq/nn/network_bits.h"
#include "bsq/train/statistics.h"
#include "convert/convert_options.h"
#include "tools/cli/conversion.h"
#include "tools/cli/earlier_run.h"
#include "tools/cli/export.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/run_folder.h"
#include "tools/cli/session.h"

namespace bsq::cli {
namespace {

void convert_network(Network& network, const ConvertOptions& options,
                     const std::optional<Checkpoint>& scheme_file) {
  if (network_representation(network) != Representation::kFloat) {
    make_float_network(network);
  }
  if (!scheme_file) {
    convert_as_asked(network, options.model);
    return;
  }
  try {
    keep_float_as_in(*scheme_file, network);
    convert_to_scheme(network, scheme_in(*scheme_file));
  } catch (const std::invalid_argument& error) {
    throw Error(options.scheme_file + ": " + error.what());
  }
}

Checkpoint converted(const Model& model, const Data& data, const Evaluation& evaluation) {
  Checkpoint checkpoint;
  checkpoint.kind = CheckpointKind::kBits;
  checkpoint.description = model.network->description();
  checkpoint.dataset = data.dataset;
  checkpoint.top1 = evaluation.top1();
  checkpoint.epoch = model.origin.epoch;
  const auto compression = compression_of(*model.network);
  checkpoint.comp = compression.comp;
  checkpoint.comp_stored = compression.comp_stored;
  checkpoint.network = save_network(*model.network);
  return checkpoint;
}

int run(const ConvertOptions& options) {
  const auto device = set_up_runtime(options.runtime, options.data.seed);
  check_export_path(options.export_file);
  const auto file = read_named_model(options.model);
  std::optional<Checkpoint> scheme_file;
  if (!options.scheme_file.empty()) {
    scheme_file = read_scheme_file(options.scheme_file);
  }
  auto data = load_data(options.data, options.runtime, file);
  auto model = make_model(options.model, file, data.classes, device);
  // What cannot be converted or written is found before the evaluation, which takes long.
  convert_network(*make_model(options.model, file, data.classes, device).network, options, scheme_file);
  const RunFolder folder(options.output);
  refuse_own_input(folder.folder(), options.model.model);
  refuse_earlier_run(folder.folder(), "another folder as --out");
  calibrate_if_needed(*model.network, data, std::cout);
  std::cout << "before: " << text_of(evaluate(*model.network, *data.test)) << std::endl;
  convert_network(*model.network, options, scheme_file);
  const auto evaluation = evaluate(*model.network, *data.test);
  print_statistics(std::cout, *model.network);
  folder.write("model_best.h5", converted(model, data, evaluation));
  folder.write_configuration();
  if (!options.export_file.empty()) {
    export_float_model(options.export_file, *model.network, evaluation.top1());
  }
  std::cout << "after: " << text_of(evaluation) << std::endl;
  return 0;
}

}  // namespace
}  // namespace bsq::cli

int main(int argc, char** argv) {
  return bsq::cli::guarded_main("convert",
                                [&] { return bsq::cli::run(bsq::cli::parse_convert_options(argc, argv)); });
}
