# What tools/bsq/modes.inc lists. BSQ_MODES: the modes of bsq; BSQ_PROGRAMS: their programs; BSQ_SENTENCE_train and so on:
# what each does.
set(BSQ_MODES)
set(BSQ_PROGRAMS)
file(STRINGS tools/bsq/modes.inc lines REGEX "^{")
foreach(line IN LISTS lines)
  if(NOT line MATCHES "^{\"([a-z]+)\", \"([a-z_]+)\", \"([^\"]+)\"},$")
    message(FATAL_ERROR "tools/bsq/modes.inc: '${line}'; expected {\"mode\", \"program\", \"sentence\"},")
  endif()
  list(APPEND BSQ_MODES ${CMAKE_MATCH_1})
  list(APPEND BSQ_PROGRAMS ${CMAKE_MATCH_2})
  set(BSQ_SENTENCE_${CMAKE_MATCH_1} ${CMAKE_MATCH_3})
endforeach()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS tools/bsq/modes.inc)

# Where they are installed, seen from the folder of bsq.
file(RELATIVE_PATH BSQ_PROGRAMS_FROM_BIN ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBEXECDIR}/bsq)
