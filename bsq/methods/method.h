#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bsq/nn/layer_rules.h"
#include "bsq/nn/network.h"
#include "bsq/nn/optimizer.h"
#include "bsq/nn/quant_layer.h"
#include "bsq/quant/accounting.h"
#include "bsq/quant/activation.h"
#include "bsq/quant/quantizer.h"

namespace bsq {

class OptionTable;

/// A layer as a method sees it.
struct LayerPlace {
  std::string path;  ///< "layer1.0.conv1"
  /// Of a network whose forward() is written by hand the layers that stand first and last among its modules
  /// are kFirst and kLast.
  LayerRole role = LayerRole::kInner;
  int64_t bits = 0;  ///< what --bits and --layer-bits give it; 0: the user keeps it float
  /// Whether a rule of --layer-bits names it. Its bit width counts, whatever the method has for its role.
  bool is_named = false;
};

/// What a method puts into a layer. Null: the tensor stays float.
struct Parts {
  std::unique_ptr<Quantizer> weight, bias;
};

/// What a run begins with, beside the network.
struct Start {
  LayerRules rules;         ///< bit widths for a float network
  bool is_training = true;  ///< false: the network is only evaluated; no value may change
};

/// How long a run is.
struct RunLength {
  int64_t epochs = 0;
  int64_t steps = 0;  ///< of an epoch
};

/// Named sums over an epoch's steps; part of a checkpoint.
using StepSums = std::map<std::string, double>;

/// A way to train a network with few bits. The trainer, the programs and the files know methods only by this
/// interface; a method is one folder below bsq/methods. Float training and finetuning are methods too.
///
/// Calls of a run, in order: begin() (or adopt(), where an interrupted run goes on), plan(),
/// make_optimizer(); for each epoch before_epoch(), for each step loss_term() and after_step(), then
/// after_estimate() and measure(); end() after the last epoch.
class Method {
 public:
  virtual ~Method() = default;

  /// The name that --method takes and that files hold.
  virtual std::string name() const = 0;
  /// Binds the method's own options to its members.
  virtual void add_options(OptionTable& /*table*/) {}
  /// The bit width at which a float network begins where nobody gave one.
  virtual int64_t default_bits() const { return 8; }
  /// The bit width of a float network's activations where nobody gave one. Nothing: as the network has it.
  virtual std::optional<int64_t> default_activation_bits() const { return std::nullopt; }
  /// What a network that the method itself has stored says of the method's options: their names and texts. A
  /// call cannot give such an option another value; what nobody gives stays as the network has it. Options
  /// that a network does not show are left out.
  virtual std::map<std::string, std::string> form(Network& /*network*/) const { return {}; }
  /// Throws std::invalid_argument for bit widths that the method, with its options, cannot train: "--bits 9:
  /// expected ...".
  virtual void check_rules(const LayerRules& /*rules*/) const {}

  /// The length of a run where the method decides it, as one with phases of its own does; 0: the user's
  /// --epochs. Known once its options are.
  virtual int64_t epochs() const { return 0; }
  /// What multiplies the user's learning rate in an epoch, in place of --lr-schedule, --phases and
  /// --warmup; nothing where these count, for all epochs alike.
  virtual std::optional<double> rate_factor(int64_t /*epoch*/) const { return std::nullopt; }

  /// What a user may not expect of a run of so many epochs with these options: a sentence; "": nothing.
  virtual std::string remark(int64_t /*epochs*/) const { return ""; }

  /// The description that a float network needs to be trained by the method: `given` as adapt() changes it.
  /// Where the user wants float activations (--act 0), these stay. Throws std::invalid_argument for options
  /// of the method that do not go together.
  NetworkDescription adapted(const NetworkDescription& given) const;
  /// Brings a float or a stored network into the method's form. By default every layer takes what parts()
  /// gives it, and the activations become of the kind that adapted() has; a network that needs more than that
  /// is built anew beforehand (rebuild() in models/registry.h). Throws std::invalid_argument for a network
  /// that the method cannot begin with.
  virtual void begin(Network& network, const Start& start);
  /// Takes a network that the method itself has stored; no value changes. By default nothing is to be done.
  virtual void adopt(Network& /*network*/) {}

  /// Told before the first optimizer is made.
  virtual void plan(const RunLength& /*length*/) {}
  /// Told of a resumed run before state() is filled and its optimizer is made: the epoch and the step in it
  /// to train next. Where the step is not 0, before_epoch() has been called in the run before.
  virtual void go_on(int64_t /*epoch*/, int64_t /*step*/) {}

  virtual std::unique_ptr<Optimizer> make_optimizer(Network& network, const SgdOptions& options);
  /// Called before an epoch's first step. True: weight sources have changed, and the optimizer is made anew.
  virtual bool before_epoch(Network& /*network*/, int64_t /*epoch*/) { return false; }
  /// Whether before_epoch() ever gives true, so that a run can keep the networks that it leaves
  /// (--snapshots).
  virtual bool makes_adjustments() const { return false; }
  /// Whether activations that before_epoch() has changed and that need a range or a start
  /// (Activation::needs_calibration) get it from a batch of training images, before the epoch's first step.
  virtual bool calibrates() const { return false; }
  /// What has happened where before_epoch() gave true, for the record: "precision adjustment at epoch 50".
  virtual std::string milestone(int64_t epoch) const;
  /// The last epoch, at or before this one, at which before_epoch() gives true; 0 for none. Warm-up begins
  /// there.
  virtual int64_t last_restart(int64_t /*epoch*/) const { return 0; }
  /// What is added to the cross entropy, differentiable; undefined: nothing.
  virtual torch::Tensor loss_term(Network& /*network*/) { return {}; }
  virtual void after_step(Network& /*network*/, StepSums& /*sums*/) {}
  /// Called after the running statistics of norms were estimated anew, of all ranks together.
  virtual void after_estimate(Network& /*network*/) {}
  /// Columns of log.txt that the method adds, in order.
  virtual std::vector<std::string> metric_names() const { return {}; }
  /// Their values after an epoch of `steps` steps.
  virtual std::vector<double> measure(Network& /*network*/, const StepSums& /*sums*/, double /*steps*/,
                                      const Sizes& /*sizes*/) const {
    return {};
  }
  /// Whether the best epoch's model is the one to use, not the last one: false where the bit widths shrink on
  /// the way.
  virtual bool keeps_best() const { return true; }
  /// The network's final form, after the last epoch. True: it has changed.
  virtual bool end(Network& /*network*/) { return false; }
  /// Tensors of the method's own that a run needs to go on.
  virtual Slots state() { return {}; }

 protected:
  /// Says which activations and norms the networks of the method have. By default all stay as they are.
  virtual void adapt(NetworkDescription& /*description*/) const {}
  /// What a layer gets when a float network begins. Only methods without a begin() of their own need it.
  virtual Parts parts(const LayerPlace& /*place*/, const WeightSource& /*weight*/) const { return {}; }
};

/// Why a method that trains float weights cannot begin with a network in bits, for std::invalid_argument:
/// packed bits have no float weights behind them, whichever method has stored them.
std::string refusal_of_bits(torch::nn::Module& network, const std::string& method);

/// The places of a network's layers, with the rules' bit widths.
std::vector<LayerPlace> layer_places(torch::nn::Module& network, const LayerRules& rules);

}  // namespace bsq
