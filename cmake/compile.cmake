# SPDX-License-Identifier: MIT
# How our own code is compiled.  Nothing here reaches the users of the targets.

set(sdb_warnings
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
    -Wpointer-arith -Wundef -Wvla -Wformat=2 -Wwrite-strings -Wcast-qual)
if(SDB_WERROR)
    list(APPEND sdb_warnings -Werror)
endif()

# sdb_compile(target): C11, with our warnings.
function(sdb_compile target)
    set_target_properties(${target} PROPERTIES
        C_STANDARD 11
        C_STANDARD_REQUIRED ON
        C_EXTENSIONS OFF
        C_VISIBILITY_PRESET hidden)
    target_compile_options(${target} PRIVATE ${sdb_warnings})
endfunction()

# sdb_sanitize(target): with the sanitizers that were asked for, if any.
function(sdb_sanitize target)
    if(SDB_SANITIZE)
        set(options -fsanitize=${SDB_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
        target_compile_options(${target} PRIVATE ${options})
        target_link_options(${target} PRIVATE ${options})
    endif()
endfunction()

# Calls go straight to where they go: every stop of a held thread makes some dozens.
include(CheckCCompilerFlag)
set(sdb_direct_calls)
foreach(option -fno-semantic-interposition -fno-plt)
    string(MAKE_C_IDENTIFIER "SDB_HAS${option}" known)
    check_c_compiler_flag(${option} ${known})
    if(${known})
        list(APPEND sdb_direct_calls ${option})
    endif()
endforeach()

# sdb_library_objects(target): a part of the library, for both of its kinds.
function(sdb_library_objects target)
    sdb_compile(${target})
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    target_compile_options(${target} PRIVATE ${sdb_direct_calls})
    target_include_directories(${target} PRIVATE
        "${PROJECT_SOURCE_DIR}/include" "${PROJECT_BINARY_DIR}/include" "${PROJECT_SOURCE_DIR}/lib")
    target_include_directories(${target} SYSTEM PRIVATE ${sdb_private_include_dirs})
endfunction()

# sdb_child_library_objects(target): a part that runs in a process which shares the host's memory,
# without the C library.  Nothing may slip in, neither calls of its functions nor instrumentation; a
# test looks at the objects.
function(sdb_child_library_objects target)
    sdb_library_objects(${target})
    set_target_properties(${target} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
    target_compile_options(${target} PRIVATE
        -O2 -ffreestanding -fno-builtin -fno-stack-protector -fno-sanitize=all -fno-lto
        -fno-profile-arcs -U_FORTIFY_SOURCE
        $<$<C_COMPILER_ID:GNU>:-fno-tree-loop-distribute-patterns>)
endfunction()

# sdb_library(target): one kind of the library, made of the parts.
function(sdb_library target)
    target_sources(${target} PRIVATE
        $<TARGET_OBJECTS:sdb_objects> $<TARGET_OBJECTS:sdb_child_objects>)
    target_include_directories(${target} PUBLIC
        "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
        "$<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>")
    target_link_libraries(${target} PRIVATE Threads::Threads ${sdb_private_libraries})
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C)
    sdb_sanitize(${target})
endfunction()
