#include <hdf5.h>

#include <cmath>
#include <functional>
#include <random>

#include "bsq/base/error.h"
#include "bsq/io/checkpoint/checkpoint.h"
#include "bsq/io/seal.h"
#include "tests/bsq/io/checkpoint/checkpoint_samples.h"
#include "tests/support.h"

/// The HDF5 library itself loses some memory where a structure in the file is damaged.
extern "C" const char* __lsan_default_suppressions() { return "leak:libhdf5"; }

namespace bsq {
namespace {

/// The message of the Error that reading gives; any other exception fails the test.
std::string read_error(const std::string& path) {
  try {
    read_checkpoint(path);
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_NE(message.find(path), std::string::npos) << message;
    return message;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not an Error: " << error.what();
  }
  return "";
}

/// Makes the seal that of what the file holds now: whoever means harm can do so as well.
void reseal(const std::string& path) {
  const std::string content = test::read_bytes(path).substr(kSealBytes);
  test::write_bytes(path, make_seal(content.data(), content.size()) + content);
}

void delete_attribute(hid_t file, const char* object, const char* name) {
  ASSERT_GE(H5Adelete_by_name(file, object, name, H5P_DEFAULT), 0) << name;
}

void set_attribute(hid_t file, const char* object, const char* name, hid_t type, hid_t space,
                   const void* data) {
  if (H5Aexists_by_name(file, object, name, H5P_DEFAULT) > 0) delete_attribute(file, object, name);
  const hid_t id = H5Acreate_by_name(file, object, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  ASSERT_GE(H5Awrite(id, type, data), 0) << name;
  H5Aclose(id);
}

void set_integer(hid_t file, const char* object, const char* name, int64_t value) {
  const hid_t space = H5Screate(H5S_SCALAR);
  set_attribute(file, object, name, H5T_NATIVE_INT64, space, &value);
  H5Sclose(space);
}

void set_double(hid_t file, const char* object, const char* name, double value) {
  const hid_t space = H5Screate(H5S_SCALAR);
  set_attribute(file, object, name, H5T_NATIVE_DOUBLE, space, &value);
  H5Sclose(space);
}

void set_text(hid_t file, const char* object, const char* name, const std::string& value) {
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, value.size());
  set_attribute(file, object, name, type, space, value.data());
  H5Tclose(type);
  H5Sclose(space);
}

void set_integers(hid_t file, const char* object, const char* name, const std::vector<int64_t>& values) {
  const hsize_t count = values.size();
  const hid_t space = H5Screate_simple(1, &count, nullptr);
  set_attribute(file, object, name, H5T_NATIVE_INT64, space, values.data());
  H5Sclose(space);
}

void set_doubles(hid_t file, const char* object, const char* name, const std::vector<double>& values) {
  const hsize_t count = values.size();
  const hid_t space = H5Screate_simple(1, &count, nullptr);
  set_attribute(file, object, name, H5T_NATIVE_DOUBLE, space, values.data());
  H5Sclose(space);
}

void set_shape(hid_t file, const char* object, const std::vector<int64_t>& sizes) {
  set_integers(file, object, "shape", sizes);
}

/// Puts an empty dataset of this kind at `name`, instead of what is there.
void replace_dataset(hid_t file, const char* name, hid_t type, std::vector<hsize_t> sizes,
                     hid_t creation = H5P_DEFAULT) {
  if (H5Lexists(file, name, H5P_DEFAULT) > 0) H5Ldelete(file, name, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr);
  const hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  ASSERT_GE(dataset, 0) << name;
  const std::vector<char> zeros(1 << 16);
  if (creation == H5P_DEFAULT && H5Sget_simple_extent_npoints(space) < 4096) {
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data());
  }
  H5Dclose(dataset);
  H5Sclose(space);
}

/// The error of a small file after `edit` had its way with it.
std::string error_after(const std::function<void(hid_t file)>& edit) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  write_checkpoint(path, test::small_checkpoint());
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  EXPECT_GE(file, 0);
  edit(file);
  EXPECT_GE(H5Fclose(file), 0);
  reseal(path);
  return read_error(path);
}

#define EXPECT_REFUSED(words, ...)                                                    \
  do {                                                                                \
    const std::string message = error_after([](hid_t file) { __VA_ARGS__; });         \
    EXPECT_NE(message.find(words), std::string::npos) << "the error is: " << message; \
  } while (false)

constexpr const char* kCodes = "/network/z.conv.weight";
constexpr const char* kGrid = "/network/twos.weight";  // two's complement, 4 bits, 5 x 3
constexpr const char* kFloat = "/network/b.bias";

TEST(CheckpointUntrusted, AnUntouchedFileAndUnknownExtrasAreFine) {
  EXPECT_EQ(error_after([](hid_t) {}), "");
  EXPECT_EQ(error_after([](hid_t file) {
              set_text(file, "/", "note", "hello");
              set_integer(file, kCodes, "note", 3);
              replace_dataset(file, "/extra", H5T_NATIVE_INT, {3});
            }),
            "");
}

TEST(CheckpointUntrusted, RefusesWhatIsNoCheckpoint) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(read_error(folder.file("gone.h5")),
            "cannot open " + folder.file("gone.h5") + ": No such file or directory");
  EXPECT_NE(read_error(folder.path().string()).find("not a regular file"), std::string::npos);
  for (const std::string& bytes : {std::string(), std::string("some text\n"), std::string(10000, '\0')}) {
    test::write_bytes(folder.file("text"), bytes);
    EXPECT_NE(read_error(folder.file("text")).find("not an HDF5 file"), std::string::npos);
    EXPECT_FALSE(is_hdf5_file(folder.file("text")));
  }
  EXPECT_FALSE(is_hdf5_file(folder.file("gone.h5")));
  EXPECT_FALSE(is_hdf5_file(folder.path().string()));
}

TEST(CheckpointUntrusted, RefusesWrongAttributesOfTheFile) {
  EXPECT_REFUSED("no BSQ checkpoint", set_text(file, "/", "format", "other"));
  EXPECT_REFUSED("no BSQ checkpoint", delete_attribute(file, "/", "format"));
  EXPECT_REFUSED("version 3, this program reads versions up to 2", set_integer(file, "/", "version", 3));
  EXPECT_REFUSED("version is 0", set_integer(file, "/", "version", 0));
  EXPECT_REFUSED("method is missing", delete_attribute(file, "/", "method"));
  EXPECT_REFUSED("holds bits, expected none in a float network", set_text(file, "/", "method", "float"));
  EXPECT_REFUSED("activation_range", set_text(file, "/", "activation_range", "none"));
  EXPECT_REFUSED("activation_place", set_text(file, "/", "activation_place", "inside"));
  for (const char* text :
       {"{}", "[[\"a\", 33]]", "[[\"a\", -1]]", "[[\"a\"]]", "[[1, 2]]", "[[\"a\", 2.5]]", "["}) {
    const std::string message =
        error_after([text](hid_t file) { set_text(file, "/", "activation_rules", text); });
    EXPECT_NE(message.find("activation_rules is not a JSON array of patterns and bit widths"),
              std::string::npos)
        << message;
  }
  EXPECT_REFUSED("classes is -3", set_integer(file, "/", "classes", -3));
  EXPECT_REFUSED("classes is not one integer", set_double(file, "/", "classes", 20));
  for (const char* text : {"[1]", "{\"depth\": 20}", "{\"depth\":", "20"}) {
    const std::string message = error_after([text](hid_t file) { set_text(file, "/", "options", text); });
    EXPECT_NE(message.find("options is not a JSON object of strings"), std::string::npos) << message;
  }
  EXPECT_REFUSED("architecture is missing", delete_attribute(file, "/", "architecture"));
  EXPECT_REFUSED("architecture is not one fixed-length", set_integer(file, "/", "architecture", 3));
  EXPECT_REFUSED("zero byte", set_text(file, "/", "dataset", std::string("a\0b", 3)));
  EXPECT_REFUSED("top1 is not one floating", set_integer(file, "/", "top1", 90));
  EXPECT_REFUSED("expected at most 1 MiB",
                 set_text(file, "/", "configuration", std::string((1 << 20) + 1, 'x')));
}

TEST(CheckpointUntrusted, RefusesAVariableLengthText) {
  EXPECT_REFUSED("not one fixed-length string", const hid_t space = H5Screate(H5S_SCALAR);
                 const hid_t type = H5Tcopy(H5T_C_S1); H5Tset_size(type, H5T_VARIABLE);
                 const char* text = "resnet"; set_attribute(file, "/", "architecture", type, space, &text));
}

TEST(CheckpointUntrusted, RefusesAWrongScheme) {
  EXPECT_REFUSED("scheme", set_text(file, "/", "scheme", "{}"));
  EXPECT_REFUSED("scheme", set_text(file, "/", "scheme", "{\"a\":"));
  EXPECT_REFUSED("scheme", set_text(file, "/", "scheme", std::string(1 << 20, '[')));
}

TEST(CheckpointUntrusted, RefusesWrongAttributesOfATensor) {
  EXPECT_REFUSED("encoding is 'packed'", set_text(file, kCodes, "encoding", "packed"));
  EXPECT_REFUSED("bits is 17", set_integer(file, kCodes, "bits", 17));
  EXPECT_REFUSED("bits is -1", set_integer(file, kCodes, "bits", -1));
  EXPECT_REFUSED("expected (70)", set_integer(file, kCodes, "bits", 4));
  EXPECT_REFUSED("bits is missing", delete_attribute(file, kCodes, "bits"));
  EXPECT_REFUSED("scale is not finite", set_double(file, kCodes, "scale", INFINITY));
  EXPECT_REFUSED("scale is not float32 or float64", set_integer(file, kCodes, "scale", 1));
  EXPECT_REFUSED("scale has 3 numbers, expected one or one a channel",
                 set_doubles(file, kCodes, "scale", {1, 2, 3}));
  EXPECT_REFUSED("scale is not finite", set_doubles(file, kCodes, "scale", {1, 2, NAN, 3}));
  EXPECT_REFUSED("expected (12)", set_shape(file, kCodes, {3, 4}));
  EXPECT_REFUSED("negative", set_shape(file, kCodes, {-4, -27}));
  EXPECT_REFUSED("4 GiB", set_shape(file, kCodes, {int64_t{1} << 62, 4, 0}));
  EXPECT_REFUSED("up to 8 integers", set_shape(file, kCodes, std::vector<int64_t>(9, 1)));
  EXPECT_REFUSED("shape is not a list", set_integer(file, kCodes, "shape", 108));
  EXPECT_REFUSED("expected (2, 3, ...)", set_text(file, kCodes, "encoding", "planes");
                 set_integer(file, kCodes, "bits", 3));
  EXPECT_REFUSED("expected float32 or float64", set_text(file, kCodes, "encoding", "latent"));
  EXPECT_REFUSED("encoding is 'binary', expected one of 'codes', 'planes', 'latent'",
                 set_text(file, kCodes, "encoding", "binary"));
  EXPECT_REFUSED("is_zero is 2", set_integer(file, kCodes, "is_zero", 2));
}

TEST(CheckpointUntrusted, RefusesWrongFormats) {
  EXPECT_REFUSED("format is not three int64", set_doubles(file, kGrid, "format", {1, -8, 1}));
  EXPECT_REFUSED("format is not three int64", set_integers(file, kGrid, "format", {1, -8}));
  EXPECT_REFUSED("0 levels", set_integers(file, kGrid, "format", {0, -8, 1}));
  EXPECT_REFUSED("a step of 3", set_integers(file, kGrid, "format", {1, -8, 3}));
  EXPECT_REFUSED("within 1048576 of 0", set_integers(file, kGrid, "format", {1, INT64_MIN, 1}));
  EXPECT_REFUSED("within 1048576 of 0", set_integers(file, kGrid, "format", {1, INT64_MAX, 2}));
  EXPECT_REFUSED("expected (10)", delete_attribute(file, kGrid, "format"));
}

TEST(CheckpointUntrusted, AZeroBitTensorCannotClaimMuchMemory) {
  EXPECT_REFUSED("4 GiB", set_shape(file, "/network/gone.weight", {1 << 30, 1 << 30}));
  EXPECT_REFUSED(
      "more than 64 times its size and 64 MiB", for (const char* name
                                                     : {"x.weight", "y.weight"}) {
        const std::string path = std::string("/network/") + name;
        H5Ocopy(file, "/network/gone.weight", file, path.c_str(), H5P_DEFAULT, H5P_DEFAULT);
        set_shape(file, path.c_str(), {(1 << 30) - 1});
      });
}

TEST(CheckpointUntrusted, RefusesWrongTypesAndShapes) {
  EXPECT_REFUSED("type other than", replace_dataset(file, kFloat, H5T_NATIVE_UINT64, {5}));
  EXPECT_REFUSED("type other than", replace_dataset(file, kFloat, H5T_C_S1, {5}));
  EXPECT_REFUSED("type other than", const hid_t type = H5Tcreate(H5T_COMPOUND, 8);
                 H5Tinsert(type, "a", 0, H5T_NATIVE_DOUBLE); replace_dataset(file, kFloat, type, {5}));
  EXPECT_REFUSED("9 dimensions", replace_dataset(file, kFloat, H5T_NATIVE_FLOAT, std::vector<hsize_t>(9, 1)));
  EXPECT_REFUSED("larger than 4 GiB", replace_dataset(file, kFloat, H5T_NATIVE_FLOAT, {1 << 20, 1 << 11}));
  EXPECT_REFUSED("larger than 4 GiB",
                 replace_dataset(file, kFloat, H5T_NATIVE_FLOAT, {hsize_t{1} << 40, 0, hsize_t{1} << 40}));
  EXPECT_REFUSED("holds 0 bytes", replace_dataset(file, kFloat, H5T_NATIVE_FLOAT, {1 << 20}));
}

TEST(CheckpointUntrusted, BigEndianNumbersAreRead) {
  EXPECT_EQ(error_after([](hid_t file) { replace_dataset(file, kFloat, H5T_IEEE_F32BE, {5}); }), "");
}

TEST(CheckpointUntrusted, RefusesDataThatAreNotPlainInTheFile) {
  EXPECT_REFUSED("chunked", const hid_t creation = H5Pcreate(H5P_DATASET_CREATE); const hsize_t chunk = 5;
                 H5Pset_chunk(creation, 1, &chunk); H5Pset_deflate(creation, 6);
                 replace_dataset(file, kFloat, H5T_NATIVE_FLOAT, {5}, creation));
  EXPECT_REFUSED("external", const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                 H5Pset_external(creation, "/etc/passwd", 0, 20);
                 replace_dataset(file, kFloat, H5T_NATIVE_FLOAT, {5}, creation));
  EXPECT_REFUSED("a dataset", H5Ldelete(file, kFloat, H5P_DEFAULT);
                 H5Gclose(H5Gcreate2(file, kFloat, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)));
}

TEST(CheckpointUntrusted, RefusesLinksThatAreNotHard) {
  EXPECT_REFUSED("not a hard link", H5Lcreate_soft(kFloat, file, "/network/soft", H5P_DEFAULT, H5P_DEFAULT));
  EXPECT_REFUSED("not a hard link",
                 H5Lcreate_external("other.h5", "/a", file, "/network/external", H5P_DEFAULT, H5P_DEFAULT));
  EXPECT_REFUSED("not a hard link", H5Lmove(file, "/network", file, "/moved", H5P_DEFAULT, H5P_DEFAULT);
                 H5Lcreate_soft("/moved", file, "/network", H5P_DEFAULT, H5P_DEFAULT));
  EXPECT_REFUSED("/training: is a link", H5Ldelete(file, "/training", H5P_DEFAULT);
                 H5Lcreate_soft("/gone", file, "/training", H5P_DEFAULT, H5P_DEFAULT));
  EXPECT_REFUSED("/training/sums: is a link", H5Ldelete(file, "/training/sums", H5P_DEFAULT);
                 H5Lcreate_soft("/training/history", file, "/training/sums", H5P_DEFAULT, H5P_DEFAULT));
}

TEST(CheckpointUntrusted, RefusesToReadMoreThanTheFileHolds) {
  EXPECT_REFUSED(
      "larger than the file", for (int i = 0; i < 20; ++i) {
        const std::string name = "/network/again" + std::to_string(i);
        H5Lcreate_hard(file, "/network/large", file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT);
      });
}

TEST(CheckpointUntrusted, RefusesAGroupWithoutOrderOrWithStrangeNames) {
  EXPECT_REFUSED("track_order", H5Ldelete(file, "/network", H5P_DEFAULT);
                 H5Gclose(H5Gcreate2(file, "/network", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)));
  EXPECT_REFUSED("'new?line' has a character",
                 replace_dataset(file, "/network/new\nline", H5T_NATIVE_FLOAT, {5}));
  EXPECT_REFUSED("longer than 1024", replace_dataset(file, ("/network/" + std::string(1025, 'a')).c_str(),
                                                     H5T_NATIVE_FLOAT, {5}));
  EXPECT_REFUSED("/network: missing", H5Ldelete(file, "/network", H5P_DEFAULT));
  EXPECT_REFUSED("open it as a group", H5Ldelete(file, "/network", H5P_DEFAULT);
                 replace_dataset(file, "/network", H5T_NATIVE_FLOAT, {5}));
}

TEST(CheckpointUntrusted, RefusesAWrongTrainingState) {
  EXPECT_REFUSED("next_step is -1", set_integer(file, "/training", "next_step", -1));
  EXPECT_REFUSED("not a JSON array", set_text(file, "/training/history", "columns", "{\"a\": 1}"));
  EXPECT_REFUSED("not a JSON array", set_text(file, "/training/history", "columns", "[1, 2, 3]"));
  EXPECT_REFUSED("not a JSON array",
                 set_text(file, "/training/history", "columns", std::string(100000, '[')));
  EXPECT_REFUSED("2 columns", set_text(file, "/training/history", "columns", "[\"a\", \"b\"]"));
  EXPECT_REFUSED("column twice", set_text(file, "/training/sums", "columns", "[\"a\", \"b\", \"a\"]"));
  EXPECT_REFUSED("1000000 rows", replace_dataset(file, "/training/history", H5T_NATIVE_DOUBLE, {1 << 28, 0});
                 set_text(file, "/training/history", "columns", "[]"));
  EXPECT_REFUSED("not a plain tensor",
                 H5Ocopy(file, kCodes, file, "/training/optimizer/x", H5P_DEFAULT, H5P_DEFAULT));
}

TEST(CheckpointUntrusted, RefusesASignOnAZero) {
  EXPECT_REFUSED("sign bit on a zero", const hid_t set = H5Dopen2(file, kCodes, H5P_DEFAULT);
                 std::vector<uint8_t> bytes(84); bytes[0] = 0x80;
                 H5Dwrite(set, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()); H5Dclose(set));
}

/// Reads content as a sealed file: an Error or a checkpoint, nothing else.
void expect_survives(const std::string& path, const std::string& content) {
  test::write_bytes(path, make_seal(content.data(), content.size()) + content);
  read_error(path);
}

TEST(CheckpointUntrusted, ContentCutShortIsRefused) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  write_checkpoint(path, test::small_checkpoint());
  const std::string content = test::read_bytes(path).substr(kSealBytes);
  for (size_t i = 0; i <= 64; ++i) {
    const std::string part = content.substr(0, i < 64 ? content.size() * i / 64 : content.size() - 1);
    test::write_bytes(path, make_seal(part.data(), part.size()) + part);
    EXPECT_NE(read_error(path), "") << i << " of 64 parts";
  }
}

TEST(CheckpointUntrusted, FlippedBitsUnderAGoodSealNeverCrash) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("a.h5");
  Checkpoint checkpoint = test::small_checkpoint();
  checkpoint.network.erase(checkpoint.network.begin() +
                           6);  // the large tensor, whose bits only change its values
  write_checkpoint(path, checkpoint);
  const std::string content = test::read_bytes(path).substr(kSealBytes);
  std::mt19937 random(5);
  for (int i = 0; i < 500; ++i) {  // the fuzz target goes on
    std::string flipped = content;
    for (int flips = 1 + i % 3; flips > 0; --flips) {
      flipped[random() % flipped.size()] ^= static_cast<char>(1 << (random() % 8));
    }
    expect_survives(path, flipped);
  }
  for (size_t i = 0; i < 64 * 8; ++i) {
    std::string flipped = content;
    flipped[i / 8] ^= static_cast<char>(1 << (i % 8));
    expect_survives(path, flipped);
  }
}

}  // namespace
}  // namespace bsq
