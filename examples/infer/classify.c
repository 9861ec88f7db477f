/* Classifies raw images with a model file of bsq: classify MODEL IMAGE...
 * An image is a file of 3 * height * width bytes: its red plane, then green, then blue, row by row. */
#include <bsq_infer.h>
#include <stdio.h>
#include <stdlib.h>

static int classify(const bsq_model* model, const char* path, uint8_t* pixels, size_t bytes, float* logits) {
  char message[256];
  FILE* file = fopen(path, "rb");
  const size_t found = file == NULL ? 0 : fread(pixels, 1, bytes, file);
  if (file != NULL) fclose(file);
  if (found != bytes) {
    fprintf(stderr, "%s: expected %zu bytes\n", path, bytes);
    return 1;
  }
  if (bsq_run(model, pixels, 1, logits, 1, message, sizeof message) != 0) {
    fprintf(stderr, "%s\n", message);
    return 1;
  }
  int64_t best = 0;
  for (int64_t i = 1; i < bsq_classes(model); ++i) best = logits[i] > logits[best] ? i : best;
  printf("%s: class %d %s\n", path, (int)best, bsq_class_name(model, best));
  return 0;
}

int main(int argc, char** argv) {
  char message[256];
  bsq_model* model = argc < 2 ? NULL : bsq_load(argv[1], message, sizeof message);
  if (model == NULL) {
    fprintf(stderr, "%s\n", argc < 2 ? "usage: classify MODEL IMAGE..." : message);
    return 1;
  }
  const size_t bytes = (size_t)(3 * bsq_height(model) * bsq_width(model));
  uint8_t* pixels = malloc(bytes);
  float* logits = malloc((size_t)bsq_classes(model) * sizeof *logits);
  int failed = 0;
  for (int i = 2; i < argc; ++i) failed |= classify(model, argv[i], pixels, bytes, logits);
  free(logits);
  free(pixels);
  bsq_free(model);
  return failed;
}
