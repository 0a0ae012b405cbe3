# SPDX-License-Identifier: MIT
# What the library itself is built with.  Its users see none of it: the shared library brings it along,
# and a program that takes the static one links them too.
#   Zydis       decodes the instructions that breakpoints displace
#   libseccomp  knows system calls by name, and makes filters

# sdb_require(header library package): find one, or say which package has it.
function(sdb_require header library package)
    find_path(SDB_${library}_INCLUDE_DIR ${header})
    find_library(SDB_${library}_LIBRARY ${library})
    mark_as_advanced(SDB_${library}_INCLUDE_DIR SDB_${library}_LIBRARY)
    if(NOT SDB_${library}_INCLUDE_DIR OR NOT SDB_${library}_LIBRARY)
        message(FATAL_ERROR "lib${library} is missing: on Debian it is in ${package}")
    endif()
endfunction()

sdb_require(Zydis/Zydis.h Zydis libzydis-dev)
sdb_require(seccomp.h seccomp libseccomp-dev)
set(sdb_private_include_dirs "${SDB_Zydis_INCLUDE_DIR}" "${SDB_seccomp_INCLUDE_DIR}")
list(REMOVE_DUPLICATES sdb_private_include_dirs)
# By name, not by path: the installed targets may be used on another machine.
set(sdb_private_libraries Zydis seccomp)
