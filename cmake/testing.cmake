# SPDX-License-Identifier: MIT
# How tests are declared.  Each has a label (unit, example, consumer, abi, architecture) and a time limit.

include_guard(GLOBAL)

# sdb_set_test(name label): what every test has.  The time limit is generous: it is there to end a
# hang, not to measure.
function(sdb_set_test name label)
    set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 300)
    if(SDB_SANITIZE)
        set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT
            "UBSAN_OPTIONS=print_stacktrace=1"
            "CK_TIMEOUT_MULTIPLIER=4")
    endif()
endfunction()

# Whether programs of 32-bit code can be built, without a C library; else what needs one is left out.
include(CheckCSourceCompiles)
set(CMAKE_REQUIRED_FLAGS -m32)
set(CMAKE_REQUIRED_LINK_OPTIONS -m32 -nostdlib -static)
check_c_source_compiles("void _start(void) { for (;;); }\nint main(void) { return 0; }" SDB_HAS_32_BIT)
unset(CMAKE_REQUIRED_FLAGS)
unset(CMAKE_REQUIRED_LINK_OPTIONS)

# sdb_add_tracee(name [STATIC] [SOURCE file]): build a program for tests to launch, hold and look
# at, as test/tracees/<name>; of <name>.c, or of another file.  It is an ordinary program, whatever
# the tests themselves are built with.
function(sdb_add_tracee name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "STATIC" "SOURCE" "")
    if(NOT arg_SOURCE)
        set(arg_SOURCE ${name}.c)
    endif()
    set(target tracee_${name})
    add_executable(${target} ${arg_SOURCE})
    sdb_compile(${target})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    target_compile_options(${target} PRIVATE -fno-sanitize=all)
    target_link_options(${target} PRIVATE -fno-sanitize=all $<$<BOOL:${arg_STATIC}>:-static>)
    set_property(GLOBAL APPEND PROPERTY SDB_TRACEES ${target})
endfunction()

# sdb_add_unit_test(name [INTERNAL]): build a Check program, and run it as the test unit_<name>.  Its
# file is <name>.c, without the folder's name where it begins with it: session_attach is attach.c in
# session/.  The program goes to test/unit/ of the build.  An internal one has the library's own
# functions in it, also those that are not exported.
function(sdb_add_unit_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "INTERNAL" "" "")
    set(target unit_${name})
    cmake_path(GET CMAKE_CURRENT_SOURCE_DIR FILENAME folder)
    string(REGEX REPLACE "^${folder}_" "" file ${name})
    add_executable(${target} ${file}.c)
    set_target_properties(${target} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/test/unit")
    sdb_compile(${target})
    sdb_sanitize(${target})
    target_compile_definitions(${target} PRIVATE
        _GNU_SOURCE
        "SDB_TRACEE_DIR=\"${PROJECT_BINARY_DIR}/test/tracees\"")
    if(arg_INTERNAL)
        target_sources(${target} PRIVATE
            $<TARGET_OBJECTS:sdb_objects> $<TARGET_OBJECTS:sdb_child_objects>)
        target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/lib")
        target_link_libraries(${target} PRIVATE ${sdb_private_libraries})
    endif()
    target_link_libraries(${target} PRIVATE sdb::sdb sdb_test_support)
    get_property(tracees GLOBAL PROPERTY SDB_TRACEES)
    add_dependencies(${target} ${tracees})

    add_test(NAME ${target} COMMAND ${target})
    sdb_set_test(${target} unit)
    set_property(TEST ${target} APPEND PROPERTY ENVIRONMENT "CK_DEFAULT_TIMEOUT=60")
endfunction()

# sdb_add_script_test(name label script [argument...]): run a shell script that gets the rest of the
# build in its environment.
function(sdb_add_script_test name label script)
    add_test(NAME ${name} COMMAND sh -eu "${CMAKE_CURRENT_SOURCE_DIR}/${script}" ${ARGN}
        COMMAND_EXPAND_LISTS)
    sdb_set_test(${name} ${label})
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT
        "SOURCE_DIR=${PROJECT_SOURCE_DIR}"
        "BUILD_DIR=${PROJECT_BINARY_DIR}"
        "CONFIG=$<CONFIG>"
        "VERSION=${PROJECT_VERSION}"
        "CMAKE=${CMAKE_COMMAND}"
        "CTEST=${CMAKE_CTEST_COMMAND}"
        "GENERATOR=${CMAKE_GENERATOR}"
        "CC=${CMAKE_C_COMPILER}"
        "NM=${CMAKE_NM}"
        "READELF=${CMAKE_READELF}"
        "LC_ALL=C")
    # What is installed goes where the script says, and make makes what it says.
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT_MODIFICATION
        "DESTDIR=unset:"
        "MAKEFLAGS=unset:"
        "MAKELEVEL=unset:")
endfunction()
