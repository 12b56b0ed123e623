# SPDX-License-Identifier: Apache-2.0
# Installs libbanyan, its headers, the CMake package and the pkg-config file. Needs the target banyan.
include(CMakePackageConfigHelpers)

set(BANYAN_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/banyan")

install(TARGETS banyan EXPORT banyan-targets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
        INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT banyan-targets NAMESPACE banyan:: DESTINATION "${BANYAN_CMAKE_DIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/banyan" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/banyan-config.cmake.in"
                              "${PROJECT_BINARY_DIR}/banyan-config.cmake" INSTALL_DESTINATION "${BANYAN_CMAKE_DIR}")
# 0.x versions may break from minor to minor.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/banyan-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/banyan-config.cmake" "${PROJECT_BINARY_DIR}/banyan-config-version.cmake"
        DESTINATION "${BANYAN_CMAKE_DIR}")

# Absolute folders stay; relative ones are below ${prefix}, which is where the file is installed, so that
# `cmake --install --prefix` and moved trees work.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(BANYAN_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
  file(RELATIVE_PATH up "/root/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/root")
  string(REGEX REPLACE "/$" "" up "${up}")
  set(BANYAN_PC_PREFIX "\${pcfiledir}/${up}")
endif()
foreach(folder IN ITEMS LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
    set(BANYAN_PC_${folder} "${CMAKE_INSTALL_${folder}}")
  else()
    set(BANYAN_PC_${folder} "\${prefix}/${CMAKE_INSTALL_${folder}}")
  endif()
endforeach()
configure_file("${PROJECT_SOURCE_DIR}/cmake/banyan.pc.in" "${PROJECT_BINARY_DIR}/banyan.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/banyan.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/README.md"
        DESTINATION "${CMAKE_INSTALL_DOCDIR}")
