# SPDX-License-Identifier: MIT
# What can be chosen.  A project that takes this one in as a part gets the libraries only.

option(SDB_BUILD_SHARED "Build the shared library, sdb::sdb" ON)
option(SDB_BUILD_STATIC "Build the static library, sdb::sdb_static" ON)
option(SDB_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(SDB_BUILD_TESTS "Build the tests (needs the examples and the shared library)" ${PROJECT_IS_TOP_LEVEL})
option(SDB_INSTALL "Make the install target" ${PROJECT_IS_TOP_LEVEL})
option(SDB_WERROR "Take warnings as errors" OFF)
set(SDB_SANITIZE "" CACHE STRING "Sanitizers for the library and its tests, as in address,undefined")

if(NOT SDB_BUILD_SHARED AND NOT SDB_BUILD_STATIC)
    message(FATAL_ERROR "neither SDB_BUILD_SHARED nor SDB_BUILD_STATIC: there is nothing to build")
endif()
if(NOT SDB_BUILD_SHARED AND (SDB_BUILD_EXAMPLES OR SDB_BUILD_TESTS))
    message(FATAL_ERROR "the examples and tests use the shared library")
endif()
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    message(FATAL_ERROR "libsdb is for Linux on x86-64 so far")
endif()
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()
