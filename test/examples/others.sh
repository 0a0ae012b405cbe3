# SPDX-License-Identifier: MIT
# The other examples do what they say on real programs.
. "${0%/*}/common.sh"

run "$EXAMPLES/pipe_sync" sh -c 'echo "program $0"' here
expect_code 0
expect out '^1\. process [0-9]+ says that it is traced$'
expect out '^1\. exit code 0$'
expect out '^2\. holding process [0-9]+ at the gate$'
expect out '^2\. exit code 0$'
[ "$(grep -c '^program here$' out)" -eq 2 ] || fail "the program should run twice"
run "$EXAMPLES/pipe_sync" ./no-such-program
expect_code 1
expect err '^pipe_sync: ./no-such-program: No such file or directory$'

run "$EXAMPLES/capture" -i "some text" -- sh -c 'cat; echo problem >&2; exit 4'
expect_code 4
expect out '^output: 9 bytes$'
expect out '^some text$'
expect out '^errors: 8 bytes$'
expect out '^status: exit code 4$'
expect out '^used: [0-9]+ us in user mode, [0-9]+ us in the kernel, [0-9]+ KiB resident at most$'
run "$EXAMPLES/capture" -t 200 -l 100 -- yes
expect_code 137
expect out '^output: 100 bytes, and more that was dropped$'
expect out '^status: killed by signal 9'
run "$EXAMPLES/capture" -- no-such-program
expect_code 127
expect err '^launch: execute "no-such-program": No such file or directory$'
