#include <iomanip>
#include <iostream>

#include "bsq/nn/layers_of.h"
#include "bsq/nn/network_state.h"
#include "bsq_train/train_options.h"
#include "tools/cli/conversion.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/program_name.h"
#include "tools/cli/shell_text.h"
#include "tools/cli/training_session.h"

namespace bsq::cli {
namespace {

// " --data FOLDER" where the next program would not find the images by itself.
std::string data_flag(const DataFlags& flags, const Data& data) {
  return data.dataset == "synthetic" || flags.folder == DataFlags().folder
             ? ""
             : " --data " + shell_text({flags.folder});
}

// The command that takes the model further; finetuning does not take grids with an offset.
std::string next_command(Network& network, const std::string& file, const std::string& data) {
  if (is_float(network)) {
    return "; next: " + sibling_name("convert") + " --model " + file + " --bits 8" + data + " --out FOLDER";
  }
  for (const auto& ref : coded_sources(network)) {
    if (ref.source().codes()->offset.defined()) {
      return "";
    }
  }
  return "; next: " + sibling_name("finetune") + " --model " + file + data + " --out FOLDER";
}

// final.h5, for the next step: the best epoch's network where the method keeps it, else the last one.
void write_final(TrainingRun& run, Model& model, Data& data, RunFolder& folder, const TrainOptions& options) {
  if (run.best_top1() >= 0) {
    std::cout << "best: top-1 " << std::fixed << std::setprecision(2) << run.best_top1() << " %\n";
  }
  if (options.trained_by().keeps_best()) {
    run.load_best();
  }
  const auto evaluation = evaluate_finite(*model.network, *data.test);
  auto checkpoint = run.current_checkpoint(evaluation.top1());
  checkpoint.network = codes_of_network(*model.network);
  folder.write("final.h5", checkpoint);
  run.keep("final.h5", checkpoint, evaluation);
  const auto file = folder.file("final.h5");
  std::cout << "wrote " << file << ": comp " << std::fixed << std::setprecision(2) << checkpoint.comp << ", "
            << text_of(evaluation) << next_command(*model.network, file, data_flag(options.data, data))
            << std::endl;
}

int run(const TrainOptions& options) {
  SessionSteps steps;
  steps.program = "bsq_train";
  steps.trainer = options_of(options.training);
  steps.trainer.warmup = options.warmup;
  steps.method = &options.trained_by();
  steps.method_options = options.method_options;
  steps.prepare = [&](Network& network) { begin_method(options.trained_by(), network, options); };
  steps.conclude = [&](TrainingRun& run, Model& model, Data& data, RunFolder& folder) {
    write_final(run, model, data, folder, options);
  };
  return run_training_session(options, steps);
}

}  // namespace
}  // namespace bsq::cli

int bsq_train_main(int argc, char** argv) {
  return bsq::cli::guarded_main("bsq_train", argc, argv,
                                [&] { return bsq::cli::run(bsq::cli::parse_train_options(argc, argv)); });
}
