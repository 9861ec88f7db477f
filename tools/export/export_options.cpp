#include "tools/export/export_options.h"

#include "bsq/io/onnx/onnx_model.h"
#include "bsq/io/safetensors.h"
#include "tools/cli/usage_error.h"

namespace bsq::cli {
namespace {

constexpr const char* kExportUsage =
    "bsq_export: writes a model for other programs: ONNX, QONNX, PyTorch, safetensors.\n"
    "usage: bsq_export MODEL --to FORMAT --out FILE [options]\n";

void check(const ExportOptions& options) {
  if (options.files.size() != 1) {
    throw UsageError(options.files.empty() ? "no model named; expected MODEL --to FORMAT --out FILE"
                                           : options.files[1] + ": a second model; expected one");
  }
  if (options.format.empty()) {
    throw UsageError("--to FORMAT is missing; expected onnx, qonnx, pth or safetensors");
  }
  if (options.output.empty()) {
    throw UsageError("--out FILE is missing");
  }
  if (options.format == "safetensors" && !is_safetensors_name(options.output)) {
    throw UsageError("--out " + options.output + ": expected a name that ends in .safetensors");
  }
  if (options.format != "safetensors" && is_safetensors_name(options.output)) {
    throw UsageError("--out " + options.output +
                     ": the name of a .safetensors file; expected another for --to " + options.format);
  }
}

}  // namespace

CommandLine export_command_line() { return CommandLine("bsq_export", kExportUsage); }

void add_options(CommandLine& line, ExportOptions& options) {
  auto& table = line.table();
  line.add_operands("MODEL", &options.files);
  table.section("Export");
  table
      .add("to", &options.format,
           "onnx: quantized by QuantizeLinear and DequantizeLinear; qonnx: by IntQuant and BipolarQuant; "
           "pth: PyTorch; "
           "safetensors: the same tensors")
      .one_of({"onnx", "qonnx", "pth", "safetensors"})
      .value_name("FORMAT")
      .resume(ResumeRule::kCall);
  table.add("out", &options.output, "the file to write").value_name("FILE").resume(ResumeRule::kCall);
  table
      .add("opset", &options.opset,
           "ONNX's version of operators: from 21 on weights may be int4 or int16, from 25 on int2")
      .range(OnnxModel::kFirstOpset, OnnxModel::kLastOpset)
      .needs([&] { return options.is_onnx() ? "" : "needs --to onnx or qonnx"; })
      .resume(ResumeRule::kCall);
  const auto needs_integers = [&] { return options.is_integer ? "" : "needs --int8"; };
  table
      .add(
          "int8", &options.is_integer,
          "for programs that compute in int8: biases are int32, and values that the model keeps float "
          "between "
          "layers of few bits are rounded to 8 bits, with ranges of training images; results change a little")
      .needs([&] { return options.format == "onnx" ? "" : "needs --to onnx"; })
      .resume(ResumeRule::kCall);
  table.add("data", &options.data, "folder of the images that the model was trained on")
      .value_name("FOLDER")
      .needs(needs_integers)
      .resume(ResumeRule::kCall);
  table.add("images", &options.images, "training images whose ranges are taken")
      .range(1, 1000000)
      .needs(needs_integers)
      .resume(ResumeRule::kCall);
  table.add("overwrite", &options.overwrite, "write over an earlier export").resume(ResumeRule::kCall);
}

ExportOptions parse_export_options(int argc, const char* const* argv) {
  ExportOptions options;
  auto line = export_command_line();
  add_options(line, options);
  line.parse(argc, argv);
  check(options);
  return options;
}

}  // namespace bsq::cli
