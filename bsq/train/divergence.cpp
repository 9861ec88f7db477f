#include "bsq/train/divergence.h"

#include <ATen/record_function.h>
#include <torch/utils.h>

#include <utility>
#include <vector>

#include "bsq/nn/layers_of.h"

namespace bsq {
namespace {

bool is_finite(const torch::Tensor& tensor) {
  return !tensor.defined() || !tensor.is_floating_point() || tensor.isfinite().all().item<bool>();
}

std::string module_of(const std::string& parameter) {
  const auto dot = parameter.rfind('.');
  return dot == std::string::npos ? parameter : parameter.substr(0, dot);
}

/// Follows a forward pass operation by operation.
class ForwardWatch {
 public:
  explicit ForwardWatch(Network& network) : network_(network) {
    for (const auto& ref : coded_sources(network)) {
      made_of_weights_.emplace_back(ref.source().value(), module_of(ref.name));
    }
    watching() = this;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(on_start, on_end)
                                             .needsInputs(true)
                                             .needsOutputs(true)
                                             .scopes({at::RecordScope::FUNCTION}));
  }
  ~ForwardWatch() {
    at::removeCallback(handle_);
    watching() = nullptr;
  }
  ForwardWatch(const ForwardWatch&) = delete;
  ForwardWatch& operator=(const ForwardWatch&) = delete;

  /// "the output of layer1.0.bn1 (batch_norm)"; "" as long as all is finite.
  const std::string& found() const { return found_; }

 private:
  static ForwardWatch*& watching() {
    static thread_local ForwardWatch* watch = nullptr;
    return watch;
  }

  static std::unique_ptr<at::ObserverContext> on_start(const at::RecordFunction& call) {
    ForwardWatch* watch = watching();
    if (watch != nullptr && !watch->is_looking_) {
      watch->start(call);
    }
    return nullptr;
  }
  static void on_end(const at::RecordFunction& call, at::ObserverContext*) {
    ForwardWatch* watch = watching();
    if (watch != nullptr && !watch->is_looking_) {
      watch->end(call);
    }
  }

  void start(const at::RecordFunction& call) {
    if (depth_++ > 0 || !found_.empty()) {
      return;
    }
    has_weights_ = false;
    has_activations_ = false;
    for (const auto& input : call.inputs()) {
      if (input.isTensor()) {
        look_up(input.toTensor());
      }
    }
  }

  void end(const at::RecordFunction& call) {
    if (--depth_ > 0 || !found_.empty()) {
      return;
    }
    const std::string name = call.name();
    const auto operation = name.substr(name.rfind(':') + 1);
    if (operation.find("empty") != std::string::npos || operation.find("resize") != std::string::npos) {
      return;  // memory that nobody has written to yet
    }
    is_looking_ = true;  // our own operations are none of the network's
    for (const auto& output : call.outputs()) {
      if (output.isTensor() && has_weights_ && !has_activations_) {
        made_of_weights_.emplace_back(output.toTensor(), module_);
      }
      if (output.isTensor() && !is_finite(output.toTensor())) {
        const auto place = has_weights_      ? "the output of " + module_
                           : module_.empty() ? "an operation before the first layer"
                                             : "what follows " + module_;
        found_ = place + " (" + operation + ")";
        break;
      }
    }
    is_looking_ = false;
  }

  void look_up(const torch::Tensor& tensor) {
    if (!tensor.defined() || !tensor.has_storage()) {
      return;
    }
    const auto owner = owner_of(tensor);
    if (owner.empty()) {
      has_activations_ = true;
    } else {
      module_ = owner;
      has_weights_ = true;
    }
  }

  // The module whose tensor it is, or of whose tensors alone it was made, as a layer makes its weight of
  // planes or of a q; "" for all others.
  std::string owner_of(const torch::Tensor& tensor) const {
    for (const auto& [made, module] : made_of_weights_) {
      if (made.is_same(tensor)) {
        return module;
      }
    }
    for (const auto& item : network_.named_parameters()) {
      if (item.value().is_same(tensor)) {
        return module_of(item.key());
      }
    }
    return "";
  }

  Network& network_;
  at::CallbackHandle handle_ = 0;
  int depth_ = 0;
  bool is_looking_ = false;
  bool has_weights_ = false;      // of the operation under way
  bool has_activations_ = false;  // likewise
  std::vector<std::pair<torch::Tensor, std::string>> made_of_weights_;
  std::string module_;
  std::string found_;
};

std::string origin_in_parameters(Network& network) {
  std::string found;
  for (const auto& item : network.named_parameters()) {
    if (!is_finite(item.value())) {
      found = item.key();
    }
  }
  return found.empty() ? "" : "the gradient of " + module_of(found) + " (" + found + " is not finite now)";
}

}  // namespace

std::string origin_of_divergence(Network& network, const torch::Tensor& images) {
  torch::NoGradGuard no_grad;
  if (!is_finite(images)) {
    return "the images";
  }
  const auto origin = origin_in_parameters(network);
  if (!origin.empty()) {
    return origin;
  }
  ForwardWatch watch(network);
  network.forward(images);
  return watch.found().empty() ? "the loss itself" : watch.found();
}

std::string first_not_finite(const NetworkState& state) {
  for (const auto& [name, stored] : state) {
    for (const auto* tensor :
         {&stored.value, &stored.positive, &stored.negative, &stored.scale, &stored.offset}) {
      if (!is_finite(*tensor)) {
        return name;
      }
    }
  }
  return "";
}

}  // namespace bsq
