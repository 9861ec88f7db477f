#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>

#include "bsq/base/options.h"
#include "bsq/methods/profit/duq_activation.h"
#include "bsq/methods/profit/duq_quantizer.h"
#include "bsq/methods/profit/instability.h"
#include "bsq/methods/profit/profit_optimizer.h"
#include "bsq/methods/profit/progression.h"
#include "bsq/methods/registry.h"
#include "bsq/nn/activation_factory.h"
#include "bsq/nn/layers_of.h"
#include "bsq/nn/master_weight.h"

namespace bsq {
namespace {

/// PROFIT: a run of phases (progression.h). Layers are float until the first phase that quantizes weights;
/// from then on their bit widths fall from phase to phase, and their numbers a and c stay.
class ProfitMethod : public Method {
 public:
  std::string name() const override { return DuqQuantizer::kKind; }
  void add_options(OptionTable& table) override;
  int64_t default_bits() const override { return options_.weight_steps.back(); }
  void check_rules(const LayerRules& rules) const override;
  /// Whether convolutions have a clip and range a channel, once their weights are quantized.
  std::map<std::string, std::string> form(Network& network) const override;

  void begin(Network& network, const Start& start) override;
  void adopt(Network& network) override;

  int64_t epochs() const override;
  std::optional<double> rate_factor(int64_t epoch) const override;
  void plan(const RunLength& length) override;
  void go_on(int64_t epoch, int64_t step) override;
  std::unique_ptr<Optimizer> make_optimizer(Network& network, const SgdOptions& options) override;
  bool before_epoch(Network& network, int64_t epoch) override;
  bool makes_adjustments() const override { return true; }
  bool calibrates() const override { return true; }
  std::string milestone(int64_t epoch) const override;
  void after_step(Network& network, StepSums& sums) override;
  std::vector<std::string> metric_names() const override {
    return {"Phase", "Act Bits", "Weight Bits", "Frozen"};
  }
  std::vector<double> measure(Network& network, const StepSums& sums, double steps,
                              const Sizes& sizes) const override;
  bool keeps_best() const override { return false; }
  Slots state() override;

 protected:
  void adapt(NetworkDescription& description) const override;

 private:
  void watch(Network& network);
  void measure_instability();
  void put_weights(Network& network, const Phase& phase) const;
  std::vector<std::string> frozen() const;

  ProgressionOptions options_;
  bool is_channel_wise_ = false;
  std::vector<Phase> phases_;
  size_t phase_ = 0;
  std::unique_ptr<InstabilityMeter> meter_;
  torch::Tensor layer_bits_;  // of each layer at the last step, 0 for those that stay float
};

std::string last_text(const std::vector<int64_t>& steps) { return std::to_string(steps.back()); }

bool falls(const std::vector<int64_t>& steps) {
  return !steps.empty() && std::adjacent_find(steps.begin(), steps.end(), std::less_equal<>()) == steps.end();
}

void put_activations(Network& network, int64_t bits) {
  bool has_any = false;
  for (auto* quantizer : activation_quantizers(network)) {
    if (auto* duq = dynamic_cast<DuqActivation*>(&quantizer->activation())) {
      duq->set_bits(bits);
      has_any = true;
    }
  }
  if (has_any) {
    network.set_activation_bits(bits);
  }
}

size_t phase_at(const std::vector<Phase>& phases, int64_t epoch) {
  const auto next = std::upper_bound(phases.begin(), phases.end(), epoch,
                                     [](int64_t e, const Phase& phase) { return e < phase.begin; });
  return static_cast<size_t>(std::max<int64_t>(next - phases.begin() - 1, 0));
}

void ProfitMethod::add_options(OptionTable& table) {
  constexpr auto kFixed = ResumeRule::kFixed;
  table
      .add("activation-steps", &options_.activation_steps,
           "bit widths of activations, falling; 0 alone: activations are not touched")
      .range(0, DuqQuantizer::kMostBits)
      .verify([&] { return falls(options_.activation_steps) ? "" : "bit widths that fall"; })
      .resume(kFixed);
  table.add("weight-steps", &options_.weight_steps, "bit widths of weights, falling; --bits is the last one")
      .range(DuqQuantizer::kFewestBits, DuqQuantizer::kMostBits)
      .verify([&] { return falls(options_.weight_steps) ? "" : "bit widths that fall"; })
      .resume(kFixed);
  table
      .add("channel-wise", &is_channel_wise_,
           "a clip and range for each output channel of a convolution, but for layers that read the image")
      .resume(kFixed);
  const auto add_length = [&](const char* name, int64_t* epochs, const char* help, double least) {
    table.add(name, epochs, help).range(least, 1e6).resume(kFixed);
  };
  add_length("float-epochs", &options_.float_epochs, "epochs of training before anything is quantized", 0);
  add_length("tune-epochs", &options_.tune_epochs, "epochs of each phase that trains everything", 1);
  add_length("stabilize-epochs", &options_.stabilize_epochs, "epochs of each phase in which weights rest", 0);
  add_length("sample-epochs", &options_.sample_epochs,
             "epochs in which the instability of convolutions is measured", 1);
  add_length("warmup-epochs", &options_.warmup_epochs, "epochs over which the rate of a long phase rises", 0);
  table
      .add("phase-scale", &options_.scale,
           "multiplies the lengths of all phases; each of them keeps an epoch at least")
      .range(1e-3, 1e3)
      .resume(kFixed);
}

void ProfitMethod::check_rules(const LayerRules& rules) const {
  if (rules.bits() != options_.weight_steps.back()) {
    throw std::invalid_argument("--bits " + std::to_string(rules.bits()) + ": expected " +
                                last_text(options_.weight_steps) + ", the last of --weight-steps");
  }
  for (const auto& [pattern, bits] : rules.layer_bits()) {
    if (bits < DuqQuantizer::kFewestBits || bits > DuqQuantizer::kMostBits) {
      throw std::invalid_argument("--layer-bits " + pattern + "=" + std::to_string(bits) +
                                  ": expected 2 to 8, as --method profit needs");
    }
  }
}

std::map<std::string, std::string> ProfitMethod::form(Network& network) const {
  bool has_any = false, has_channels = false;
  for (const auto& ref : coded_sources(network)) {
    const auto* weight = dynamic_cast<const MasterWeight*>(&ref.source());
    const auto* duq = weight == nullptr ? nullptr : dynamic_cast<const DuqQuantizer*>(weight->quantizer());
    has_any = has_any || duq != nullptr;
    has_channels = has_channels || (duq != nullptr && duq->slots()[0].tensor.dim() > 0);
  }
  return has_any ? std::map<std::string, std::string>{{"channel-wise", has_channels ? "true" : "false"}}
                 : std::map<std::string, std::string>();
}

void ProfitMethod::adapt(NetworkDescription& description) const {
  const int64_t last = options_.activation_steps.back();
  if (last == 0 || description.activation == DuqActivation::kKind || description.activation_bits == 0) {
    return;
  }
  if (description.activation_bits != last && description.activation_bits != DuqActivation::kOff) {
    throw std::invalid_argument("--act " + std::to_string(description.activation_bits) + ": expected " +
                                std::to_string(last) + ", the last of --activation-steps");
  }
  for (const auto& [pattern, bits] : description.activation_rules) {
    if (bits != 0) {
      throw std::invalid_argument("--layer-act " + pattern + "=" + std::to_string(bits) +
                                  ": expected 0; --method profit gives all activations the same bit width");
    }
  }
  description.activation = DuqActivation::kKind;
  description.activation_bits = DuqActivation::kOff;
  description.activation_place = ActivationPlace::kInput;
}

void ProfitMethod::begin(Network& network, const Start& start) {
  if (!is_float(network) && start.is_training) {
    throw std::invalid_argument(refusal_of_bits(network, name()) + "; its run begins in full precision");
  }
  Method::begin(network, start);
  watch(network);
  const auto quantizers = activation_quantizers(network);
  const bool has_duq = std::any_of(quantizers.begin(), quantizers.end(), [](const auto* quantizer) {
    return dynamic_cast<const DuqActivation*>(&quantizer->activation()) != nullptr;
  });
  if (start.is_training && options_.activation_steps.back() > 0 && !has_duq) {
    throw std::invalid_argument("has float activations; expected --act " +
                                last_text(options_.activation_steps) +
                                ", or --activation-steps 0 to leave them so");
  }
  const auto places = layer_places(network, start.rules);
  for (size_t i = 0; i < places.size(); ++i) {
    const bool stays_float = places[i].role == LayerRole::kShortcut;
    layer_bits_[static_cast<int64_t>(i)] = stays_float ? 0.0 : static_cast<double>(places[i].bits);
  }
}

void ProfitMethod::adopt(Network& network) { watch(network); }

void ProfitMethod::watch(Network& network) {
  meter_ = std::make_unique<InstabilityMeter>(network);
  layer_bits_ = torch::zeros({static_cast<int64_t>(quant_layers(network).size())}, torch::kFloat64);
}

int64_t ProfitMethod::epochs() const {
  const auto phases = progression(options_);
  return phases.back().begin + phases.back().epochs;
}

std::optional<double> ProfitMethod::rate_factor(int64_t epoch) const {
  const auto phases = progression(options_);
  const auto& phase = phases[phase_at(phases, epoch)];
  return phase.kind == PhaseKind::kSample
             ? 1.0
             : profit_rate(std::min(epoch - phase.begin, phase.epochs - 1), phase.warmup, phase.epochs);
}

void ProfitMethod::plan(const RunLength& length) {
  phases_ = progression(options_);
  if (length.epochs != epochs()) {
    throw std::invalid_argument("profit: a run of " + std::to_string(length.epochs) + " epochs; expected " +
                                std::to_string(epochs()) + ", the sum of its phases");
  }
}

void ProfitMethod::go_on(int64_t epoch, int64_t step) {
  phase_ = phase_at(phases_, epoch);
  if (step > 0) {
    measure_instability();
  }
}

// From the start of an epoch on, or not.
void ProfitMethod::measure_instability() {
  meter_->stop();
  if (phases_[phase_].kind == PhaseKind::kSample) {
    meter_->start();
  }
}

std::vector<std::string> ProfitMethod::frozen() const {
  const int64_t thirds = phases_[phase_].frozen_thirds;
  return thirds == 0 ? std::vector<std::string>() : meter_->most_unstable(meter_->quantized() * thirds / 3);
}

std::unique_ptr<Optimizer> ProfitMethod::make_optimizer(Network& network, const SgdOptions& options) {
  const auto paths = frozen();
  return make_profit_optimizer(network, options, phases_[phase_].kind == PhaseKind::kStabilize,
                               {paths.begin(), paths.end()});
}

bool ProfitMethod::before_epoch(Network& network, int64_t epoch) {
  phase_ = phase_at(phases_, epoch);
  const auto& phase = phases_[phase_];
  if (epoch == phase.begin) {
    torch::NoGradGuard no_grad;
    put_activations(network, phase.activation_bits == 0 ? DuqActivation::kOff : phase.activation_bits);
    put_weights(network, phase);
  }
  measure_instability();
  return epoch == phase.begin;
}

// The quantizers of the phase's bit widths: new ones where there are none yet.
void ProfitMethod::put_weights(Network& network, const Phase& phase) const {
  if (phase.weight_bits == 0) {
    return;
  }
  const auto layers = quant_layers(network);
  for (const auto& ref : sources_of(network)) {
    const auto layer = std::find_if(layers.begin(), layers.end(),
                                    [&](const auto& entry) { return entry.second == ref.layer; });
    const auto last = layer_bits_[layer - layers.begin()].item<int64_t>();
    if (ref.is_bias || last == 0) {
      continue;
    }
    const int64_t bits = phase.is_last_step ? last : std::max(phase.weight_bits, last);
    const auto& weight = dynamic_cast<const MasterWeight&>(ref.source());
    const auto* present = dynamic_cast<const DuqQuantizer*>(weight.quantizer());
    const bool is_channel_wise =
        is_channel_wise_ && weight.tensor().dim() == 4 && ref.layer->role() != LayerRole::kFirst;
    auto quantizer = present != nullptr ? present->at_bits(bits)
                                        : DuqQuantizer::for_weights(weight.tensor(), bits, is_channel_wise);
    ref.set(std::make_unique<MasterWeight>(weight.tensor(), std::move(quantizer)));
  }
}

std::string ProfitMethod::milestone(int64_t epoch) const {
  auto text = "phase " + std::to_string(phase_ + 1) + " of " + std::to_string(phases_.size()) + " at epoch " +
              std::to_string(epoch) + ": " + text_of(phases_[phase_]);
  const auto paths = frozen();
  for (size_t i = 0; i < paths.size(); ++i) {
    text += (i == 0 ? ": " : ", ") + paths[i];
  }
  return text;
}

void ProfitMethod::after_step(Network& /*network*/, StepSums& /*sums*/) {
  if (phases_[phase_].kind == PhaseKind::kSample) {
    meter_->end_step();
  }
}

std::vector<double> ProfitMethod::measure(Network& /*network*/, const StepSums& /*sums*/, double /*steps*/,
                                          const Sizes& /*sizes*/) const {
  const auto& phase = phases_[phase_];
  return {static_cast<double>(phase_ + 1), static_cast<double>(phase.activation_bits),
          static_cast<double>(phase.weight_bits), static_cast<double>(frozen().size())};
}

Slots ProfitMethod::state() {
  auto slots = meter_->state();
  slots.push_back({"layer_bits", layer_bits_, Slot::Role::kTracked});
  return slots;
}

}  // namespace

void register_profit() {
  register_weight_source(DuqQuantizer::kKind, DuqQuantizer::load);
  register_activation(DuqActivation::kKind, [](const NetworkDescription& description) {
    return std::make_unique<DuqActivation>(description.activation_bits);
  });
  register_method({DuqQuantizer::kKind,
                   "lowers bit widths phase by phase, and freezes the most unstable convolutions last",
                   "Park, Yoo, ECCV 2020, arXiv 2008.04693",
                   [] { return std::make_unique<ProfitMethod>(); }});
}

}  // namespace bsq
