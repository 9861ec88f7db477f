#include "bsq/base/error.h"
#include "bsq/base/options.h"
#include "bsq_train/train_options.h"
#include "finetune/finetune_options.h"
#include "tests/fuzz/fuzz_file.h"
#include "tools/cli/usage_error.h"

namespace {

template <typename Parse>
void try_preset(Parse parse, const std::string& path) {
  const char* arguments[] = {"tool", "--config", path.c_str()};
  try {
    parse(3, arguments);
  } catch (const bsq::Error& error) {
    bsq::fuzz::require_one_line(error.what());
  } catch (const bsq::OptionError& error) {
    bsq::fuzz::require_one_line(error.what());
  } catch (const bsq::cli::UsageError& error) {
    bsq::fuzz::require_one_line(error.what());
  }
}

}  // namespace

// An INI preset, as --config takes it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static const bsq::fuzz::FuzzFile file;
  file.fill(data, bytes);
  try_preset(bsq::cli::parse_train_options, file.path());
  try_preset(bsq::cli::parse_finetune_options, file.path());
  return 0;
}
