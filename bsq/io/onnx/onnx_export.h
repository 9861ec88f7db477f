#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "bsq/graph/program.h"
#include "bsq/io/onnx/activation_function.h"
#include "bsq/io/onnx/onnx_model.h"
#include "bsq/nn/network.h"

namespace bsq {

/// The integers that stand for the values of nodes, by the node's index in the program.
using ValueGrids = std::map<int64_t, ActivationFunction::Grid>;

struct OnnxExportOptions {
  /// The form of weights and activations.
  enum class Form { kQcdq, kQonnx } form = Form::kQcdq;
  int64_t opset = 17;
  /// For programs that compute in integers of 8 bits: biases are int32, weights fill int8 as far as that
  /// changes no value, and the values of these nodes are rounded to grids. kQcdq only.
  bool is_integer = false;
  ValueGrids grids = {};
};

/// The program that is walked. Throws std::invalid_argument for a network whose forward() is written by hand.
const Program& exported_program(const Network& network);

/// A network as an ONNX model that computes what its evaluation computes, to float rounding (with
/// is_integer, to the rounding of biases and grids). Input "images": normalized, (batch, channels, height,
/// width). Output "logits": (batch, classes). Batch norms are in the scales and biases of the convolutions in
/// front of them where they can be. `metadata`: texts that go beside the graph.
///
/// The bias of a layer that reads or holds integers is a node of its own (Add; behind float weights Sub):
/// onnxruntime would round a bias, and float weights, of a convolution between QuantizeLinear and
/// DequantizeLinear.
///
/// Throws std::invalid_argument that names the layer for what the form cannot hold: integers that do not fit
/// int8, grids without a point at 0, activations without a range, norms other than batch norm, and a network
/// whose forward() is written by hand.
std::string export_onnx(Network& network, const OnnxExportOptions& options,
                        const std::map<std::string, std::string>& metadata = {});

}  // namespace bsq
