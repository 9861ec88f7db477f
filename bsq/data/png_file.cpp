#include "bsq/data/png_file.h"

#include <png.h>

#include <cstring>

#include "bsq/base/error.h"

namespace bsq {
namespace {

constexpr png_uint_32 kMaxPngSide = 16384;
// What libpng may take for one chunk beside the pixels; the pixels are not among it.
constexpr png_alloc_size_t kMaxChunkBytes = png_alloc_size_t{8} << 20;

struct Source {
  const uint8_t* bytes;
  size_t left;
  char fault[128];
};

// libpng jumps back to setjmp() after this.
void keep_fault(png_structp png, png_const_charp what) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::strncpy(source->fault, what, sizeof(source->fault) - 1);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp /*png*/, png_const_charp /*what*/) {}

void give_bytes(png_structp png, png_bytep out, size_t size) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (size > source->left) {
    png_error(png, "it ends too early");
  }
  std::memcpy(out, source->bytes, size);
  source->bytes += size;
  source->left -= size;
}

void begin(png_structp png, png_infop info, Source& source) {
  png_set_read_fn(png, &source, give_bytes);
  png_set_user_limits(png, kMaxPngSide, kMaxPngSide);
  png_set_chunk_malloc_max(png, kMaxChunkBytes);
  png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_read_info(png, info);
}

// The pixels as rows of red, green, blue.
void read_rows(png_structp png, png_infop info, uint8_t* pixels, png_bytep* rows) {
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_gray_to_rgb(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  const size_t row_bytes = png_get_rowbytes(png, info);
  if (row_bytes != size_t{3} * png_get_image_width(png, info)) {
    png_error(png, "its pixels do not become red, green and blue");
  }
  for (png_uint_32 y = 0; y < png_get_image_height(png, info); ++y) {
    rows[y] = pixels + y * row_bytes;
  }
  png_read_image(png, rows);
  png_read_end(png, nullptr);
}

// libpng's objects and what it writes to. Nothing with a destructor is made between setjmp and a jump back to
// it.
struct Reader {
  explicit Reader(const std::string& file, const std::vector<uint8_t>& bytes)
      : file(file),
        source{bytes.data(), bytes.size(), ""},
        png(png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, keep_fault, ignore_warning)),
        info(png == nullptr ? nullptr : png_create_info_struct(png)) {
    if (info == nullptr) {
      fail("not enough memory");
    }
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[noreturn]] void fail(const char* what) const {
    throw Error(file + ": not decoded (" + what +
                "), expected a JPEG or PNG image of at most 16384 pixels a side");
  }

  bool read_head() {
    if (setjmp(png_jmpbuf(png)) != 0) {
      return false;
    }
    begin(png, info, source);
    return true;
  }

  bool read_pixels(uint8_t* pixels, png_bytep* rows) {
    if (setjmp(png_jmpbuf(png)) != 0) {
      return false;
    }
    read_rows(png, info, pixels, rows);
    return true;
  }

  ImageSize size() const {
    return {static_cast<int64_t>(png_get_image_height(png, info)),
            static_cast<int64_t>(png_get_image_width(png, info))};
  }

  const std::string& file;
  Source source;
  png_structp png;
  png_infop info;
};

}  // namespace

bool is_png(const std::vector<uint8_t>& bytes) {
  constexpr size_t kSignature = 8;
  return bytes.size() >= kSignature && png_sig_cmp(bytes.data(), 0, kSignature) == 0;
}

ImageSize png_size(const std::string& file, const std::vector<uint8_t>& bytes) {
  Reader reader(file, bytes);
  if (!reader.read_head()) {
    reader.fail(reader.source.fault);
  }
  return reader.size();
}

Picture decode_png(const std::string& file, const std::vector<uint8_t>& bytes) {
  Reader reader(file, bytes);
  if (!reader.read_head()) {
    reader.fail(reader.source.fault);
  }
  Picture picture;
  picture.size = reader.size();
  picture.pixels.resize(static_cast<size_t>(3 * picture.size.height * picture.size.width));
  std::vector<png_bytep> rows(static_cast<size_t>(picture.size.height));
  if (!reader.read_pixels(picture.pixels.data(), rows.data())) {
    reader.fail(reader.source.fault);
  }
  return picture;
}

}  // namespace bsq
