#include "bsq/train/generators.h"

#include <mutex>
#include <vector>

#include "bsq/base/error.h"

namespace bsq {
namespace {

std::vector<torch::Device> devices_of(torch::Device device) {
  return device.is_cpu() ? std::vector<torch::Device>{torch::kCPU}
                         : std::vector<torch::Device>{torch::kCPU, device};
}

std::string name_of(torch::Device device) { return c10::DeviceTypeName(device.type(), /*lower_case=*/true); }

torch::Tensor state_of(at::Generator& generator) {
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return generator.get_state();
}

}  // namespace

std::map<std::string, torch::Tensor> generator_states(torch::Device device) {
  std::map<std::string, torch::Tensor> states;
  for (const auto& one : devices_of(device)) {
    auto generator = at::globalContext().defaultGenerator(one);
    states[name_of(one)] = state_of(generator);
  }
  return states;
}

void set_generator_states(torch::Device device, const std::map<std::string, torch::Tensor>& states) {
  for (const auto& one : devices_of(device)) {
    const auto name = name_of(one);
    const auto found = states.find(name);
    if (found == states.end()) {
      continue;
    }
    auto generator = at::globalContext().defaultGenerator(one);
    const auto& state = found->second;
    if (state.scalar_type() != torch::kUInt8 || !state.sizes().equals(state_of(generator).sizes())) {
      throw Error("the state of the random generator '" + name + "' is not one of this libtorch's");
    }
    try {
      const std::lock_guard<std::mutex> lock(generator.mutex());
      generator.set_state(state);
    } catch (const c10::Error&) {
      throw Error("the state of the random generator '" + name + "' is malformed");
    }
  }
}

}  // namespace bsq
