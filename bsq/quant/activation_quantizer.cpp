#include "bsq/quant/activation_quantizer.h"

#include <ostream>
#include <utility>

namespace bsq {

ActivationQuantizerImpl::ActivationQuantizerImpl(const UniformActivationOptions& options)
    : ActivationQuantizerImpl(std::make_unique<UniformActivation>(options)) {}

ActivationQuantizerImpl::ActivationQuantizerImpl(std::unique_ptr<Activation> activation,
                                                 const ActivationInput& input)
    : input_(input) {
  set_activation(std::move(activation));
}

void ActivationQuantizerImpl::set_activation(std::unique_ptr<Activation> activation) {
  activation_ = std::move(activation);
  register_slots();
}

void ActivationQuantizerImpl::pretty_print(std::ostream& stream) const {
  stream << "bsq::ActivationQuantizer(";
  activation_->print(stream);
  stream << ")";
}

}  // namespace bsq
