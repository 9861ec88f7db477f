#include "tests/golden/golden_file.h"

#include "tests/support.h"

namespace bsq::test {

GoldenFile::GoldenFile(const std::string& path) : file_(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT)) {
  if (file_ < 0) {
    throw std::runtime_error("cannot open " + path);
  }
}

GoldenFile::~GoldenFile() { H5Fclose(file_); }

bool GoldenFile::has(const std::string& path) const {
  for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    if (H5Lexists(file_, path.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) {
      return false;
    }
  }
  return H5Lexists(file_, path.c_str(), H5P_DEFAULT) > 0;
}

std::vector<std::string> GoldenFile::members(const std::string& group) const {
  std::vector<std::string> names;
  const hid_t id = H5Gopen2(file_, group.c_str(), H5P_DEFAULT);
  H5G_info_t info{};
  H5Gget_info(id, &info);
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    char name[256] = "";
    H5Lget_name_by_idx(id, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
    names.emplace_back(name);
  }
  H5Gclose(id);
  return names;
}

bool GoldenFile::has_attribute(const std::string& object, const std::string& attribute) const {
  return H5Aexists_by_name(file_, object.c_str(), attribute.c_str(), H5P_DEFAULT) > 0;
}

double GoldenFile::number(const std::string& object, const std::string& attribute) const {
  const hid_t id = H5Aopen_by_name(file_, object.c_str(), attribute.c_str(), H5P_DEFAULT, H5P_DEFAULT);
  double value = 0;
  if (id < 0 || H5Aread(id, H5T_NATIVE_DOUBLE, &value) < 0) {
    throw std::runtime_error(object + ": no attribute " + attribute);
  }
  H5Aclose(id);
  return value;
}

torch::Tensor GoldenFile::numbers(const std::string& object, const std::string& attribute) const {
  const hid_t id = H5Aopen_by_name(file_, object.c_str(), attribute.c_str(), H5P_DEFAULT, H5P_DEFAULT);
  const hid_t space = id < 0 ? id : H5Aget_space(id);
  auto values = torch::empty({space < 0 ? 0 : H5Sget_simple_extent_npoints(space)}, torch::kFloat64);
  if (space < 0 || H5Aread(id, H5T_NATIVE_DOUBLE, values.data_ptr<double>()) < 0) {
    throw std::runtime_error(object + ": no numbers " + attribute);
  }
  H5Sclose(space);
  H5Aclose(id);
  return values;
}

std::string GoldenFile::text(const std::string& object, const std::string& attribute) const {
  const hid_t id = H5Aopen_by_name(file_, object.c_str(), attribute.c_str(), H5P_DEFAULT, H5P_DEFAULT);
  const hid_t type = id < 0 ? id : H5Aget_type(id);
  char* value = nullptr;
  if (type < 0 || H5Tis_variable_str(type) <= 0 || H5Aread(id, type, &value) < 0) {
    throw std::runtime_error(object + ": no text " + attribute);
  }
  std::string result = value;
  H5free_memory(value);
  H5Tclose(type);
  H5Aclose(id);
  return result;
}

std::vector<std::string> GoldenFile::texts(const std::string& object, const std::string& attribute) const {
  const hid_t id = H5Aopen_by_name(file_, object.c_str(), attribute.c_str(), H5P_DEFAULT, H5P_DEFAULT);
  const hid_t type = id < 0 ? id : H5Aget_type(id);
  const hid_t space = id < 0 ? id : H5Aget_space(id);
  const auto count = space < 0 ? -1 : H5Sget_simple_extent_npoints(space);
  std::vector<char*> values(static_cast<size_t>(count < 0 ? 0 : count));
  if (count < 0 || H5Tis_variable_str(type) <= 0 || H5Aread(id, type, values.data()) < 0) {
    throw std::runtime_error(object + ": no texts " + attribute);
  }
  std::vector<std::string> result(values.begin(), values.end());
  for (char* value : values) {
    H5free_memory(value);
  }
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(id);
  return result;
}

torch::Tensor GoldenFile::tensor(const std::string& path) const {
  const hid_t id = H5Dopen2(file_, path.c_str(), H5P_DEFAULT);
  if (id < 0) {
    throw std::runtime_error("no dataset " + path);
  }
  const hid_t space = H5Dget_space(id);
  std::vector<hsize_t> dims(static_cast<size_t>(H5Sget_simple_extent_ndims(space)));
  H5Sget_simple_extent_dims(space, dims.data(), nullptr);
  const std::vector<int64_t> shape(dims.begin(), dims.end());
  auto values = torch::empty(shape, torch::kFloat64);
  H5Dread(id, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data_ptr<double>());
  H5Sclose(space);
  H5Dclose(id);
  return values;
}

namespace {

std::string path_in(const std::string& folder, const std::string& name) {
  if (folder.empty()) {
    return "";
  }
  const auto path = folder + "/" + name;
  EXPECT_TRUE(std::filesystem::exists(path)) << "the golden folder lacks " << path;
  return path;
}

}  // namespace

std::string golden_path(const std::string& name) { return path_in(golden_folder(), name); }

std::string golden_methods_path(const std::string& name) { return path_in(golden_methods_folder(), name); }

}  // namespace bsq::test
