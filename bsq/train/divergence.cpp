#include "bsq/train/divergence.h"

#include <ATen/record_function.h>

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
    for (const auto& item : network_.named_modules()) {
      if (holds(*item.value(), tensor)) {
        module_ = item.key();
        has_weights_ = true;
      }
    }
  }

  // Whether a module computes with this tensor: one of its parameters or, for a layer in bits, its weight.
  static bool holds(torch::nn::Module& module, const torch::Tensor& tensor) {
    for (const auto& parameter : module.parameters(/*recurse=*/false)) {
      if (parameter.is_same(tensor)) {
        return true;
      }
    }
    if (const auto* conv = dynamic_cast<torch::nn::Conv2dImpl*>(&module)) {
      return conv->weight.is_same(tensor);
    }
    const auto* linear = dynamic_cast<torch::nn::LinearImpl*>(&module);
    return linear != nullptr && linear->weight.is_same(tensor);
  }

  Network& network_;
  at::CallbackHandle handle_ = 0;
  int depth_ = 0;
  bool is_looking_ = false;
  bool has_weights_ = false;
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
    for (const auto* tensor : {&stored.value, &stored.positive, &stored.negative, &stored.scale}) {
      if (!is_finite(*tensor)) {
        return name;
      }
    }
  }
  return "";
}

}  // namespace bsq
