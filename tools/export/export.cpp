#include "tools/cli/export.h"

#include <filesystem>
#include <iostream>
#include <stdexcept>

#include "bsq/base/error.h"
#include "bsq/io/atomic_file.h"
#include "bsq/io/model_file.h"
#include "bsq/io/onnx/integer_form.h"
#include "bsq/io/onnx/onnx_export.h"
#include "tools/cli/earlier_run.h"
#include "tools/cli/main_guard.h"
#include "tools/cli/session.h"
#include "tools/cli/stored_network.h"
#include "tools/export/export_options.h"
#include "tools/export/metadata.h"

namespace bsq::cli {
namespace {

Checkpoint read_described(const std::string& path) {
  auto file = read_model(path);
  if (!file.has_description) {
    throw Error(path +
                ": says nothing of its network; expected a file that this toolkit wrote (convert makes one)");
  }
  return std::move(file.checkpoint);
}

// The first training images, as they are evaluated.
std::vector<torch::Tensor> first_images(const ExportOptions& options, const Checkpoint& file) {
  DataFlags flags;
  flags.folder = options.data;
  set_up_runtime(RuntimeFlags(), flags.seed);
  const auto data = load_data(flags, RuntimeFlags(), file);
  std::vector<torch::Tensor> batches;
  int64_t left = options.images;
  data.calibration->start(/*epoch=*/0);
  for (auto batch = data.calibration->next(); batch && left > 0; batch = data.calibration->next()) {
    batches.push_back(batch->images.slice(/*dim=*/0, /*start=*/0, left));
    left -= batches.back().size(0);
  }
  return batches;
}

void write_onnx(const ExportOptions& options, Network& network, const Checkpoint& file) {
  OnnxExportOptions wanted;
  wanted.form = options.format == "qonnx" ? OnnxExportOptions::Form::kQonnx : OnnxExportOptions::Form::kQcdq;
  wanted.opset = options.opset;
  std::string bytes;
  try {
    if (options.is_integer) {
      export_onnx(network, wanted);  // What cannot be exported is told before images are read.
      wanted.is_integer = true;
      wanted.grids = grids_of_8_bits(network, first_images(options, file));
    }
    bytes = export_onnx(network, wanted, export_metadata(network, file));
  } catch (const std::invalid_argument& error) {
    throw Error(options.files.front() + ": " + error.what());
  }
  write_bytes_atomically(options.output, {bytes});
}

int run(const ExportOptions& options) {
  const auto& path = options.files.front();
  OutputFile output{"out", options.output, {path}, /*folder=*/"", options.overwrite};
  if (options.is_onnx()) {
    output.kind = "ONNX";
    output.is_kind = is_onnx_file;
  }
  check_output_file(output);
  const auto file = read_described(path);
  const auto network = stored_network(path, file);
  if (options.is_onnx()) {
    write_onnx(options, *network, file);
  } else {
    export_model(options.output, *network, file, file.top1);
  }
  std::cout << options.output << ": " << options.format << ", " << std::filesystem::file_size(options.output)
            << " bytes" << std::endl;
  return 0;
}

}  // namespace
}  // namespace bsq::cli

int bsq_export_main(int argc, char** argv) {
  return bsq::cli::guarded_main("bsq_export", argc, argv,
                                [&] { return bsq::cli::run(bsq::cli::parse_export_options(argc, argv)); });
}
