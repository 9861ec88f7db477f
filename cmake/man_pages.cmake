# BSQ_MAN_PAGES: a man page of each program, made of what its --help says. Without help2man, and in builds with sanitizers, there are none.
set(BSQ_MAN_PAGES)
find_program(BSQ_HELP2MAN help2man)

# bsq_man_page(PROGRAM SENTENCE)
function(bsq_man_page program sentence)
  set(page ${CMAKE_BINARY_DIR}/man/${program}.1)
  add_custom_command(OUTPUT ${page}
    COMMAND ${BSQ_HELP2MAN} --no-info --section=1 --name=${sentence} --manual=bsq
            --version-string=${PROJECT_VERSION} --source=${PROJECT_VERSION} --output=${page} $<TARGET_FILE:${program}>
    DEPENDS ${program} VERBATIM)
  list(APPEND BSQ_MAN_PAGES ${page})
  set(BSQ_MAN_PAGES ${BSQ_MAN_PAGES} PARENT_SCOPE)
endfunction()

if(BSQ_HELP2MAN AND NOT BSQ_SANITIZE AND NOT BSQ_SANITIZE_THREADS)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/man)
  bsq_man_page(bsq_train "train bit planes with the group-Lasso penalty")
  bsq_man_page(convert "turn a full-precision model into bit representation")
  bsq_man_page(finetune "finetune or evaluate a model at its mixed precision")
  bsq_man_page(describe "tell what is in a model file")
  bsq_man_page(sweep "run bsq_train and finetune over a range of alpha")
  bsq_man_page(report "make one HTML page of any runs")
  add_custom_target(bsq_man_pages ALL DEPENDS ${BSQ_MAN_PAGES})
else()
  message(STATUS "No man pages: help2man is missing, or this is a build with sanitizers")
endif()
