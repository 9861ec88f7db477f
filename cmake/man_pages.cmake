# BSQ_MAN_PAGES: bsq.1, and bsq-MODE.1 of each mode, made of what --help says. Without help2man, and in builds with
# sanitizers, there are none.
set(BSQ_MAN_PAGES)
find_program(BSQ_HELP2MAN help2man)

# bsq_man_page(NAME SENTENCE COMMAND DEPENDENCY...): NAME.1, of the help that the command prints.
function(bsq_man_page name sentence command)
  set(page ${CMAKE_BINARY_DIR}/man/${name}.1)
  add_custom_command(OUTPUT ${page}
    COMMAND ${BSQ_HELP2MAN} --no-info --section=1 --name=${sentence} --manual=bsq
            --version-string=${PROJECT_VERSION} --source=${PROJECT_VERSION} --output=${page} ${command}
    DEPENDS ${ARGN} VERBATIM)
  list(APPEND BSQ_MAN_PAGES ${page})
  set(BSQ_MAN_PAGES ${BSQ_MAN_PAGES} PARENT_SCOPE)
endfunction()

# help2man names a page for the command that it runs: a script for each mode.
function(bsq_man_page_of_mode mode program)
  set(script ${CMAKE_BINARY_DIR}/man/scripts/bsq-${mode})
  file(GENERATE OUTPUT ${script} CONTENT "#!/bin/sh\nexec '$<TARGET_FILE:bsq>' ${mode} \"$@\"\n"
       FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  bsq_man_page(bsq-${mode} ${BSQ_SENTENCE_${mode}} ${script} bsq ${program})
  set(BSQ_MAN_PAGES ${BSQ_MAN_PAGES} PARENT_SCOPE)
endfunction()

if(BSQ_HELP2MAN AND NOT BSQ_SANITIZE AND NOT BSQ_SANITIZE_THREADS)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/man)
  bsq_man_page(bsq ${PROJECT_DESCRIPTION} $<TARGET_FILE:bsq> bsq)
  foreach(mode program IN ZIP_LISTS BSQ_MODES BSQ_PROGRAMS)
    bsq_man_page_of_mode(${mode} ${program})
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/man/bsq_train.1 CONTENT ".so man1/bsq-train.1\n")
  list(APPEND BSQ_MAN_PAGES ${CMAKE_BINARY_DIR}/man/bsq_train.1)
  add_custom_target(bsq_man_pages ALL DEPENDS ${BSQ_MAN_PAGES})
else()
  message(STATUS "No man pages: help2man is missing, or this is a build with sanitizers")
endif()
