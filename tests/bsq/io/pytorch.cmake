find_program(BSQ_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)

set(BSQ_PYTORCH_TESTS pickle_machine_test.cpp pytorch_files.cpp pytorch_hostile_test.cpp pytorch_writer_test.cpp)
list(TRANSFORM BSQ_PYTORCH_TESTS PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
bsq_test(pytorch_test ${BSQ_PYTORCH_TESTS} DEPENDS bsq_pytorch)

# A program of its own, for a test that skips marks its whole program as skipped.
bsq_test(pytorch_python_test ${CMAKE_CURRENT_LIST_DIR}/pytorch_python_test.cpp DEPENDS bsq_pytorch)
target_compile_definitions(pytorch_python_test PRIVATE BSQ_PYTHON="$<IF:$<BOOL:${BSQ_PYTHON}>,${BSQ_PYTHON},>")
