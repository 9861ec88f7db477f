#include <string>

#include "bsq/base/error.h"
#include "bsq/io/run_summary.h"
#include "bsq/methods/bsq/adjustment_log.h"
#include "bsq/train/run_log.h"
#include "tests/fuzz/fuzz_file.h"

namespace {

template <typename Parse>
void try_text(Parse parse, const std::string& text) {
  try {
    parse(text, "FILE");
  } catch (const bsq::Error& error) {
    bsq::fuzz::require_one_line(error.what());
  }
}

}  // namespace

// The texts of a run that report, sweep and describe read: summary.json, log.txt, adjustments.csv.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  const std::string text(reinterpret_cast<const char*>(data), bytes);
  try_text(bsq::parse_summary, text);
  try_text(bsq::parse_run_log, text);
  try_text(bsq::parse_adjustment_log, text);
  return 0;
}
