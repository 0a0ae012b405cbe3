/* SPDX-License-Identifier: MIT */
/*
 * A small JSON reader, for the results of benchmarks.
 */
#ifndef SDB_BENCH_JSON_H
#define SDB_BENCH_JSON_H

#include <stddef.h>

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    char *name;         /* in an object */
    double number;      /* NUMBER; BOOL: 0 or 1 */
    char *text;         /* STRING */
    struct json *first; /* ARRAY, OBJECT */
    struct json *next;  /* the next in the array or object */
};

/**
 * @param text  one JSON value
 * @return the value, or NULL if this is no JSON, or there is no memory; free it with json_free()
 */
struct json *json_read(const char *text);

/** @return a member of an object, or NULL if there is none of this name and kind */
const struct json *json_member(const struct json *object, const char *name, enum json_kind kind);

/** NULL is allowed. */
void json_free(struct json *value);

#endif
