/* SPDX-License-Identifier: MIT */
/*
 * capture: run a command and show its output, its status, and what it used.
 *
 *     capture [-t MS] [-l BYTES] [-i TEXT] -- program [argument...]
 */
#include <sdb/sdb.h>

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] = "usage: capture [options] -- program [argument...]\n"
                           "  -t MS     kill it after MS milliseconds\n"
                           "  -l BYTES  keep at most BYTES of each output\n"
                           "  -i TEXT   its standard input\n";

static void show(const char *name, const char *text, size_t size, int cut)
{
    printf("%s: %zu bytes%s\n", name, size, cut ? ", and more that was dropped" : "");
    if (size > 0)
        fwrite(text, 1, size, stdout);
    if (size > 0 && text[size - 1] != '\n')
        putchar('\n');
}

static int show_status(const struct sdb_exit_status *status)
{
    if (status->how == SDB_EXITED)
        printf("status: exit code %d\n", status->code);
    else
        printf("status: killed by signal %d (%s)\n", status->code, strsignal(status->code));
    printf("used: %" PRIu64 " us in user mode, %" PRIu64 " us in the kernel, %" PRIu64
           " KiB resident at most\n",
           status->user_time_us, status->system_time_us, status->max_resident_kib);
    return status->how == SDB_EXITED ? status->code : 128 + status->code;
}

int main(int argc, char **argv)
{
    struct sdb_launch_options options = SDB_LAUNCH_OPTIONS_INIT;
    struct sdb_capture capture = SDB_CAPTURE_INIT;
    struct sdb_exit_status status = SDB_EXIT_STATUS_INIT;
    struct sdb_error error = SDB_ERROR_INIT;
    int timeout_ms = -1;
    char text[512];
    int option;
    int rc;

    while ((option = getopt(argc, argv, "+t:l:i:")) != -1) {
        if (option == 't') {
            timeout_ms = (int)strtol(optarg, NULL, 10);
        } else if (option == 'l') {
            capture.limit = (size_t)strtoull(optarg, NULL, 10);
        } else if (option == 'i') {
            capture.input = optarg;
            capture.input_size = strlen(optarg);
        } else {
            optind = argc;
        }
    }
    if (optind >= argc) {
        fputs(help, stderr);
        return 125;
    }

    options.argv = (const char *const *)(argv + optind);
    options.flags = SDB_LAUNCH_SEARCH_PATH;
    rc = sdb_capture_launch(&options, timeout_ms, &capture, &status, &error);
    if (error.code < 0) { /* it has not even started */
        sdb_error_format(&error, text, sizeof(text));
        fprintf(stderr, "%s\n", text);
        return 127;
    }
    if (rc < 0)
        fprintf(stderr, "capture: %s\n", sdb_error_describe(rc));

    show("output", capture.output, capture.output_size,
         (capture.result & SDB_CAPTURE_OUTPUT_CUT) != 0);
    show("errors", capture.errors, capture.errors_size,
         (capture.result & SDB_CAPTURE_ERRORS_CUT) != 0);
    sdb_capture_free(&capture);
    return show_status(&status);
}
