#include <gtest/gtest.h>

#include "bsq/io/pytorch/pytorch_reader.h"
#include "tests/bsq/io/pytorch/pytorch_files.h"
#include "tests/support.h"

namespace bsq::test {
namespace {

using namespace std::string_literals;

// {'state_dict': {'w', 't' (w transposed), 'tail' (of w), 'p' (a parameter), 'n'}, 'epoch', 'acc',
// 'Nbit_dict', ...}, written by torch.save(..., pickle_protocol=N) of PyTorch 2.11, which itself reads none
// of protocol 0.
class PyTorchProtocols : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Files, PyTorchProtocols,
                         testing::Values("stream-0", "stream-1", "stream-4", "zip-0", "zip-1"),
                         [](const auto& info) {
                           std::string name = info.param;
                           name.erase(name.find('-'), 1);
                           return name;
                         });

TEST_P(PyTorchProtocols, GiveTheSameCheckpoint) {
  const std::string path = std::string(BSQ_SOURCE) + "/tests/bsq/io/pytorch/protocols/" + GetParam() + ".pth";
  EXPECT_TRUE(is_pytorch_file(path));
  const PyTorchCheckpoint checkpoint = read_pytorch(path);
  const torch::Tensor w = torch::arange(6, torch::kFloat32).view({2, 3});
  const PyTorchTensors expected = {
      {"w", w},
      {"t", w.t().contiguous()},
      {"tail", torch::tensor({4.0F, 5.0F})},
      {"p", torch::tensor({-1.5, 2.5}, torch::kFloat64)},
      {"n", torch::tensor(int64_t{-7})},
  };
  ASSERT_EQ(checkpoint.state.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(checkpoint.state[i].first, expected[i].first);
    EXPECT_TRUE(same_bits(checkpoint.state[i].second, expected[i].second)) << expected[i].first;
  }
  EXPECT_EQ(checkpoint.epoch, 3);
  EXPECT_EQ(checkpoint.accuracy, 91.5);
  EXPECT_EQ(checkpoint.bits.at("fc"), std::make_pair(int64_t{3}, int64_t{2}));
}

// {"w": tensor} with a persistent id as text.
std::string text_pickle(const std::string& id) {
  return "(dS'w'\nctorch._utils\n_rebuild_tensor_v2\n(P"s + id + "\nI0\n(L2L\nI3\nt(I3\nI1\ntI00\n(dtRs."s;
}

TEST(PyTorchProtocol0, RefusesPersistentIdsThatAreNone) {
  TemporaryFolder folder;
  const auto refused = [&](const std::string& id) {
    write_zip(folder.file("a.pth"), text_pickle(id), {six_floats()});
    return refusal(folder.file("a.pth"));
  };
  EXPECT_EQ(refused("('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 6)"), "");
  EXPECT_EQ(refused("(u'storage', <class \"torch.FloatStorage\">, '\\x30', 'cpu', 6L,)"), "")
      << "as Python 2 has it";
  for (const std::string& id :
       {""s, "0"s, "("s, "()"s, "(,)"s, "('storage'"s, "('storage',"s, "('storage)"s,
        "('storage', 'a', '0', 'cpu', 6)"s, "('storage', <class 'torch.FloatStorage', '0', 'cpu', 6)"s,
        "('storage', <class 'FloatStorage'>, '0', 'cpu', 6)"s,
        "('storage', <class 'os.system'>, '0', 'cpu', 6)"s,
        "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 6) "s,
        "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', -6)"s,
        "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 6e3)"s,
        "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 99999999999999999999)"s,
        "('storage', <class 'torch.FloatStorage'>, '\\q', 'cpu', 6)"s, std::string(300, '('),
        std::string(5000, '(')}) {
    EXPECT_NE(refused(id), "") << id;
  }
}

}  // namespace
}  // namespace bsq::test
