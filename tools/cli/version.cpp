#include "tools/cli/version.h"

#include <H5public.h>
#include <torch/version.h>

#include <array>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

namespace bsq::cli {
namespace {

// The extensions that kernels of ours or of oneDNN's choose by, as Linux names them.
constexpr std::array<const char*, 8> kExtensions = {"avx2",        "fma",      "avx512f",  "avx512_vnni",
                                                    "avx512_bf16", "amx_bf16", "amx_int8", "asimd"};

std::string cpu_text() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("flags", 0) != 0 && line.rfind("Features", 0) != 0) {
      continue;
    }
    std::istringstream words(line.substr(line.find(':') + 1));
    const std::set<std::string> found{std::istream_iterator<std::string>(words), {}};
    std::string text;
    for (const char* extension : kExtensions) {
      text += found.count(extension) == 0 ? "" : (text.empty() ? "" : " ") + std::string(extension);
    }
    return text.empty() ? "no extensions" : text;
  }
  return "unknown";
}

std::string hdf5_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

}  // namespace

std::string version_text(const std::string& program) {
  return program + " (bsq) " BSQ_VERSION "\nlibtorch " TORCH_VERSION "\nHDF5 " + hdf5_version() +
         "\nCPU: " + cpu_text() + "\n";
}

}  // namespace bsq::cli
