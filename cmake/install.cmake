# SPDX-License-Identifier: MIT
# What is installed, and how others find it.  Everything is found relative to where it stands, so the
# installed tree can be moved; what was given an absolute place stays there.

include(CMakePackageConfigHelpers)

# Not even an absolute path is a place of its own if it is below the prefix.
foreach(kind LIBDIR INCLUDEDIR DOCDIR)
    cmake_path(IS_PREFIX CMAKE_INSTALL_PREFIX "${CMAKE_INSTALL_${kind}}" NORMALIZE below)
    if(below)
        cmake_path(RELATIVE_PATH CMAKE_INSTALL_${kind} BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}")
    endif()
endforeach()

set(sdb_targets)
if(SDB_BUILD_SHARED)
    list(APPEND sdb_targets sdb)
endif()
if(SDB_BUILD_STATIC)
    list(APPEND sdb_targets sdb_static)
endif()

install(TARGETS ${sdb_targets}
    EXPORT sdb-targets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime NAMELINK_COMPONENT development
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development
    INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES ${sdb_public_headers} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/sdb" COMPONENT development)

set(SDB_PACKAGE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/sdb")
install(EXPORT sdb-targets NAMESPACE sdb:: DESTINATION "${SDB_PACKAGE_DIR}" COMPONENT development)
configure_package_config_file(cmake/sdb-config.cmake.in "${PROJECT_BINARY_DIR}/sdb-config.cmake"
    INSTALL_DESTINATION "${SDB_PACKAGE_DIR}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/sdb-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/sdb-config.cmake" "${PROJECT_BINARY_DIR}/sdb-config-version.cmake"
    DESTINATION "${SDB_PACKAGE_DIR}" COMPONENT development)

# pkg-config knows where its file stands; the prefix is said from there, unless the file stands in an
# absolute place of its own.
set(SDB_PC_DIR "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(SDB_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
else()
    file(RELATIVE_PATH SDB_PC_UP "/prefix/${SDB_PC_DIR}" "/prefix")
    string(REGEX REPLACE "/$" "" SDB_PC_UP "${SDB_PC_UP}")
    set(SDB_PC_PREFIX "\${pcfiledir}/${SDB_PC_UP}")
endif()
foreach(kind LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${kind}}")
        set(SDB_PC_${kind} "${CMAKE_INSTALL_${kind}}")
    else()
        set(SDB_PC_${kind} "\${prefix}/${CMAKE_INSTALL_${kind}}")
    endif()
endforeach()
# Where the static library is the only one, everybody needs what it needs.
list(TRANSFORM sdb_private_libraries PREPEND "-l" OUTPUT_VARIABLE SDB_PC_LIBS_PRIVATE)
list(JOIN SDB_PC_LIBS_PRIVATE " " SDB_PC_LIBS_PRIVATE)
string(APPEND SDB_PC_LIBS_PRIVATE " -pthread")
if(NOT SDB_BUILD_SHARED)
    set(SDB_PC_LIBS " ${SDB_PC_LIBS_PRIVATE}")
    set(SDB_PC_LIBS_PRIVATE)
endif()
configure_file(sdb.pc.in sdb.pc @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/sdb.pc" DESTINATION "${SDB_PC_DIR}" COMPONENT development)

install(FILES README.md CHANGELOG.md LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT development)
install(DIRECTORY examples/ DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples" COMPONENT development
    FILES_MATCHING PATTERN "*.[ch]")
