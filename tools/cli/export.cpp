#include "tools/cli/export.h"

#include <filesystem>

#include "bsq/base/error.h"
#include "bsq/io/model_file.h"
#include "bsq/io/pytorch/pytorch_writer.h"
#include "bsq/methods/bsq/reconstruction.h"

namespace bsq::cli {
namespace {

bool takes_suffix(const std::string& name, const std::string& suffix) {
  return name.size() > suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
}

}  // namespace

Checkpoint read_scheme_file(const std::string& path) {
  auto file = read_model(path).checkpoint;
  if (file.kind == CheckpointKind::kFloat) {
    throw Error(path + ": a float network without a scheme; expected one in bits");
  }
  return file;
}

Scheme scheme_in(const Checkpoint& file) {
  Scheme scheme;
  for (const auto& [name, stored] : file.network) {
    if (stored.encoding == Encoding::kFloat) {
      continue;
    }
    const auto layer = name.substr(0, name.rfind('.'));
    const bool is_zero = stored.encoding == Encoding::kBinary && stored.value.eq(0).all().item<bool>();
    (takes_suffix(name, ".bias") ? scheme[layer].bias : scheme[layer].weight) = is_zero ? 0 : stored.bits;
  }
  return scheme;
}

void keep_float_as_in(const Checkpoint& file, Network& network) {
  for (const auto& [name, layer] : bit_capable_layers(network)) {
    for (const auto& [stored_name, stored] : file.network) {
      if (stored_name == name + ".weight") {
        layer->keep_float(stored.encoding == Encoding::kFloat);
      }
    }
  }
}

NetworkState float_state(Network& network) {
  torch::NoGradGuard no_grad;
  auto state = save_network(network);
  for (const auto& [name, parameter] : bit_parameters(network)) {
    for (auto& [stored_name, stored] : state) {
      if (stored_name == name) {
        stored = StoredTensor();
        stored.value = parameter->value().detach().cpu().contiguous().clone();
      }
    }
  }
  return state;
}

NetworkState binary_state(Network& network) {
  torch::NoGradGuard no_grad;
  auto state = save_network(network);
  for (auto& [name, stored] : state) {
    if (stored.encoding == Encoding::kFrozen) {
      const auto levels = static_cast<double>(max_integer(stored.bits));
      const auto integers = stored.bits == 0 ? torch::zeros_like(stored.value)
                                             : round_value(stored.value, stored.bits).mul_(levels).round_();
      stored.value = integers.to(torch::kInt32);
      stored.encoding = Encoding::kBinary;
    }
  }
  return state;
}

void check_export_path(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder)) {
    throw Error(path + ": cannot be written; expected " + folder.string() + " to be a folder");
  }
}

void export_float_model(const std::string& path, Network& network, double top1) {
  std::map<std::string, std::pair<int64_t, int64_t>> scheme;
  for (const auto& [name, bits] : scheme_of(network)) {
    scheme[name] = {bits.weight, bits.bias};
  }
  auto file = export_pytorch(float_state(network), scheme);
  file.accuracy = top1;
  write_pytorch(path, file);
}

}  // namespace bsq::cli
