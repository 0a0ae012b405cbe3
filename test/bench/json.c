/* SPDX-License-Identifier: MIT */
/*
 * A small JSON reader: all of the syntax, except that a \u escape becomes a question mark.
 */
#include "json.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 32

struct reader {
    const char *at;
    int depth;
};

static struct json *read_value(struct reader *reader);

static char skip_space(struct reader *reader)
{
    while (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r')
        reader->at++;
    return *reader->at;
}

static bool take(struct reader *reader, char wanted)
{
    if (skip_space(reader) != wanted)
        return false;
    reader->at++;
    return true;
}

static bool take_word(struct reader *reader, const char *word)
{
    size_t len = strlen(word);

    if (strncmp(reader->at, word, len) != 0)
        return false;
    reader->at += len;
    return true;
}

/* One escape, after its backslash.  @return the character, or 0 if there is no such escape */
static char read_escape(struct reader *reader)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *known;

    if (*reader->at == 'u') {
        for (int i = 1; i <= 4; i++) {
            if (!isxdigit((unsigned char)reader->at[i]))
                return 0;
        }
        reader->at += 5;
        return '?';
    }
    known = *reader->at ? strchr(names, *reader->at) : NULL;
    if (!known)
        return 0;
    reader->at++;
    return meanings[known - names];
}

static char *read_string(struct reader *reader)
{
    char *text;
    size_t len = 0;

    if (!take(reader, '"'))
        return NULL;
    text = malloc(strlen(reader->at) + 1);
    while (text && *reader->at != '"') {
        char c = *reader->at;

        if ((unsigned char)c < ' ') {
            free(text);
            return NULL;
        }
        reader->at++;
        if (c == '\\')
            c = read_escape(reader);
        if (c == 0) {
            free(text);
            return NULL;
        }
        text[len++] = c;
    }
    if (text) {
        text[len] = '\0';
        reader->at++;
    }
    return text;
}

static bool read_member(struct reader *reader, bool named, struct json **out)
{
    char *name = NULL;

    if (named) {
        name = read_string(reader);
        if (!name || !take(reader, ':')) {
            free(name);
            return false;
        }
    }
    *out = read_value(reader);
    if (!*out) {
        free(name);
        return false;
    }
    (*out)->name = name;
    return true;
}

/* The members of an array or object, after its opening bracket. */
static bool read_members(struct reader *reader, struct json *value, char closing)
{
    struct json **last = &value->first;

    if (take(reader, closing))
        return true;
    do {
        if (!read_member(reader, value->kind == JSON_OBJECT, last))
            return false;
        last = &(*last)->next;
    } while (take(reader, ','));
    return take(reader, closing);
}

static bool read_number(struct reader *reader, struct json *value)
{
    const char *at = reader->at + (*reader->at == '-');
    char *end;

    /* strtod knows more than JSON does. */
    if (!isdigit((unsigned char)*at) || (at[0] == '0' && isalnum((unsigned char)at[1])))
        return false;
    value->kind = JSON_NUMBER;
    value->number = strtod(reader->at, &end);
    reader->at = end;
    return true;
}

static bool read_into(struct reader *reader, struct json *value)
{
    switch (skip_space(reader)) {
    case '{':
        reader->at++;
        value->kind = JSON_OBJECT;
        return read_members(reader, value, '}');
    case '[':
        reader->at++;
        value->kind = JSON_ARRAY;
        return read_members(reader, value, ']');
    case '"':
        value->kind = JSON_STRING;
        value->text = read_string(reader);
        return value->text != NULL;
    case 'n':
        value->kind = JSON_NULL;
        return take_word(reader, "null");
    case 't':
    case 'f':
        value->kind = JSON_BOOL;
        value->number = *reader->at == 't';
        return take_word(reader, *reader->at == 't' ? "true" : "false");
    default:
        return read_number(reader, value);
    }
}

static struct json *read_value(struct reader *reader)
{
    struct json *value;
    bool is_good;

    if (reader->depth == DEEPEST)
        return NULL;
    value = calloc(1, sizeof(*value));
    if (!value)
        return NULL;
    reader->depth++;
    is_good = read_into(reader, value);
    reader->depth--;
    if (!is_good) {
        json_free(value);
        return NULL;
    }
    return value;
}

struct json *json_read(const char *text)
{
    struct reader reader = {.at = text};
    struct json *value = read_value(&reader);

    if (value && skip_space(&reader) != '\0') {
        json_free(value);
        return NULL;
    }
    return value;
}

const struct json *json_member(const struct json *object, const char *name, enum json_kind kind)
{
    const struct json *at = object && object->kind == JSON_OBJECT ? object->first : NULL;

    while (at && (strcmp(at->name, name) != 0 || at->kind != kind))
        at = at->next;
    return at;
}

void json_free(struct json *value)
{
    while (value) {
        struct json *next = value->next;

        json_free(value->first);
        free(value->name);
        free(value->text);
        free(value);
        value = next;
    }
}
