/* SPDX-License-Identifier: MIT */
/*
 * Draw the curves of a benchmark's JSON as SVG: bytes along, microseconds up, both logarithmic.
 *
 *     plot RESULTS.json PICTURE.svg
 *
 * Each curve has its name beside its end, so that nothing hangs on colours alone; the colours change
 * with the reader's choice of light or dark.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define WIDTH       760
#define HEIGHT      440
#define LEFT        80
#define RIGHT       640 /* of the field; the names stand beyond */
#define TOP         64
#define BOTTOM      368
#define MOST_CURVES 6
#define LABEL_SPACE 17 /* from one name to the next, at least */

struct picture {
    const struct json *results;
    const struct json *curves[MOST_CURVES];
    size_t curve_count;
    double x_min, x_max; /* the ends of the axes */
    double y_min, y_max;
    FILE *file;
};

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static struct json *read_results(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    struct json *results;

    if (!file)
        die(path, strerror(errno));
    if (getdelim(&text, &size, '\0', file) < 0)
        die(path, "empty");
    (void)fclose(file);
    results = json_read(text);
    free(text);
    if (!results)
        die(path, "no JSON");
    return results;
}

static const char *text_of(const struct picture *picture, const char *name)
{
    const struct json *member = json_member(picture->results, name, JSON_STRING);

    return member ? member->text : "";
}

/* ---- scales ---- */

/* A point of a curve.  @return whether it is one */
static int get_point(const struct json *point, double *x, double *y)
{
    const struct json *first = point->kind == JSON_ARRAY ? point->first : NULL;

    if (!first || first->kind != JSON_NUMBER || !first->next || first->next->kind != JSON_NUMBER)
        return 0;
    *x = first->number;
    *y = first->next->number;
    return *x > 0 && *y > 0;
}

static const struct json *first_point(const struct json *curve)
{
    const struct json *points = json_member(curve, "points", JSON_ARRAY);

    return points ? points->first : NULL;
}

static void find_scales(struct picture *picture)
{
    double x;
    double y;

    picture->x_min = picture->y_min = HUGE_VAL;
    picture->x_max = picture->y_max = 0;
    for (size_t i = 0; i < picture->curve_count; i++) {
        for (const struct json *at = first_point(picture->curves[i]); at; at = at->next) {
            if (!get_point(at, &x, &y))
                die("results", "a curve with no points");
            picture->x_min = fmin(picture->x_min, x);
            picture->x_max = fmax(picture->x_max, x);
            picture->y_min = fmin(picture->y_min, y);
            picture->y_max = fmax(picture->y_max, y);
        }
    }
    if (picture->x_max <= picture->x_min)
        die("results", "too few points");
    /* Whole decades of time. */
    picture->y_min = pow(10, floor(log10(picture->y_min)));
    picture->y_max = pow(10, ceil(log10(picture->y_max)));
}

static double x_place(const struct picture *picture, double x)
{
    return LEFT + (RIGHT - LEFT) * log(x / picture->x_min) / log(picture->x_max / picture->x_min);
}

static double y_place(const struct picture *picture, double y)
{
    return BOTTOM - (BOTTOM - TOP) * log(y / picture->y_min) / log(picture->y_max / picture->y_min);
}

/* ---- what is drawn ---- */

/* Written out, without CSS variables: not every program that shows SVG knows them. */
static void draw_inks(const struct picture *picture, const char *const *inks)
{
    for (size_t i = 0; i < MOST_CURVES; i++)
        (void)fprintf(picture->file,
                      "  .c%zu .curve { stroke: %s; } .c%zu .dot, .c%zu .name { fill: %s; }\n", i,
                      inks[i], i, i, inks[i]);
}

static void draw_style(const struct picture *picture)
{
    static const char *const light[MOST_CURVES] = {"#0969da", "#1a7f37", "#bc4c00",
                                                   "#8250df", "#bf3989", "#6e7781"};
    static const char *const dark[MOST_CURVES] = {"#58a6ff", "#3fb950", "#f0883e",
                                                  "#bc8cff", "#ff7bc0", "#9ea7b3"};

    (void)fputs("<style>\n"
                "  svg { font: 13px system-ui, sans-serif; }\n"
                "  .paper { fill: #ffffff; }\n"
                "  .text { fill: #24292f; } .title { font-size: 16px; font-weight: 600; }\n"
                "  .note { fill: #57606a; font-size: 12px; }\n"
                "  .grid { stroke: #d8dee4; } .axis { stroke: #57606a; }\n"
                "  .curve { fill: none; stroke-width: 2.5; stroke-linejoin: round; }\n"
                "  .name { font-weight: 600; }\n",
                picture->file);
    draw_inks(picture, light);
    (void)fputs("  @media (prefers-color-scheme: dark) {\n"
                "  .paper { fill: #0d1117; } .text { fill: #e6edf3; } .note { fill: #9198a1; }\n"
                "  .grid { stroke: #30363d; } .axis { stroke: #9198a1; }\n",
                picture->file);
    draw_inks(picture, dark);
    (void)fputs("  }\n</style>\n", picture->file);
}

static void draw_text(const struct picture *picture, double x, double y, const char *class,
                      const char *anchor, const char *text)
{
    (void)fprintf(picture->file, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
                  class, x, y, anchor);
    for (; *text; text++) {
        if (*text == '&')
            (void)fputs("&amp;", picture->file);
        else if (*text == '<')
            (void)fputs("&lt;", picture->file);
        else
            (void)fputc(*text, picture->file);
    }
    (void)fputs("</text>\n", picture->file);
}

static void draw_line(const struct picture *picture, const char *class, double x1, double y1,
                      double x2, double y2)
{
    (void)fprintf(picture->file,
                  "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class,
                  x1, y1, x2, y2);
}

static void draw_heading(const struct picture *picture)
{
    const struct json *cpus = json_member(picture->results, "cpus", JSON_NUMBER);
    char title[256];
    char note[256];

    (void)snprintf(title, sizeof(title), "%s, over the %s", text_of(picture, "y"),
                   text_of(picture, "x"));
    title[0] = (char)(title[0] >= 'a' && title[0] <= 'z' ? title[0] - 'a' + 'A' : title[0]);
    (void)snprintf(note, sizeof(note), "%s, %s, %.0f CPUs; medians, both scales logarithmic",
                   text_of(picture, "kernel"), text_of(picture, "cpu"), cpus ? cpus->number : 0);
    draw_text(picture, LEFT, 26, "text title", "start", title);
    draw_text(picture, LEFT, 46, "note", "start", note);
}

static void format_bytes(double bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    size_t unit = 0;

    while (bytes >= 1024 && unit < 4) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(text, size, "%g %s", bytes, units[unit]);
}

static void format_time(double us, char *text, size_t size)
{
    if (us >= 1e6)
        (void)snprintf(text, size, "%g s", us / 1e6);
    else if (us >= 1e3)
        (void)snprintf(text, size, "%g ms", us / 1e3);
    else
        (void)snprintf(text, size, "%g µs", us);
}

static void draw_axes(const struct picture *picture)
{
    char text[64];

    for (double y = picture->y_min; y <= picture->y_max * 1.01; y *= 10) {
        double place = y_place(picture, y);

        draw_line(picture, "grid", LEFT, place, RIGHT, place);
        format_time(y, text, sizeof(text));
        draw_text(picture, LEFT - 10, place + 4, "text", "end", text);
    }
    for (double x = picture->x_min; x <= picture->x_max * 1.01; x *= 4) {
        double place = x_place(picture, x);

        draw_line(picture, "axis", place, BOTTOM, place, BOTTOM + 5);
        format_bytes(x, text, sizeof(text));
        draw_text(picture, place, BOTTOM + 22, "text", "middle", text);
    }
    draw_line(picture, "axis", LEFT, BOTTOM, RIGHT, BOTTOM);
    draw_text(picture, (LEFT + RIGHT) / 2.0, BOTTOM + 48, "note", "middle", text_of(picture, "x"));
    (void)fprintf(picture->file,
                  "<text class=\"note\" transform=\"translate(18 %.1f) rotate(-90)\" "
                  "text-anchor=\"middle\">%s</text>\n",
                  (TOP + BOTTOM) / 2.0, text_of(picture, "y"));
}

/* @return where the curve ends, upwards */
static double draw_curve(const struct picture *picture, size_t which)
{
    const struct json *first = first_point(picture->curves[which]);
    double x;
    double y = picture->y_min;

    (void)fprintf(picture->file, "<g class=\"c%zu\">\n<polyline class=\"curve\" points=\"", which);
    for (const struct json *at = first; at && get_point(at, &x, &y); at = at->next)
        (void)fprintf(picture->file, "%.1f,%.1f ", x_place(picture, x), y_place(picture, y));
    (void)fputs("\"/>\n", picture->file);
    for (const struct json *at = first; at && get_point(at, &x, &y); at = at->next)
        (void)fprintf(picture->file, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n",
                      x_place(picture, x), y_place(picture, y));
    (void)fputs("</g>\n", picture->file);
    return y_place(picture, y);
}

/* Beside the ends of the curves, but not upon each other: from the lowest up. */
static void draw_names(const struct picture *picture, const double *ends)
{
    int done[MOST_CURVES] = {0};
    double free_above = HUGE_VAL;

    for (size_t i = 0; i < picture->curve_count; i++) {
        const struct json *name;
        size_t lowest = 0;
        double place;

        while (done[lowest])
            lowest++;
        for (size_t j = lowest; j < picture->curve_count; j++) {
            if (!done[j] && ends[j] > ends[lowest])
                lowest = j;
        }
        done[lowest] = 1;
        place = fmin(ends[lowest], free_above);
        free_above = place - LABEL_SPACE;
        name = json_member(picture->curves[lowest], "name", JSON_STRING);
        (void)fprintf(picture->file, "<g class=\"c%zu\">", lowest);
        draw_text(picture, RIGHT + 12, place + 4, "name", "start", name ? name->text : "");
        (void)fputs("</g>\n", picture->file);
    }
}

static void draw(struct picture *picture)
{
    double ends[MOST_CURVES];

    (void)fprintf(picture->file,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                  "height=\"%d\" role=\"img\">\n",
                  WIDTH, HEIGHT, WIDTH, HEIGHT);
    draw_style(picture);
    (void)fprintf(picture->file, "<rect class=\"paper\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n",
                  WIDTH, HEIGHT);
    draw_heading(picture);
    draw_axes(picture);
    for (size_t i = picture->curve_count; i-- > 0;)
        ends[i] = draw_curve(picture, i);
    draw_names(picture, ends);
    (void)fputs("</svg>\n", picture->file);
}

int main(int argc, char **argv)
{
    struct picture picture = {0};
    struct json *results;
    const struct json *curves;

    if (argc != 3)
        die("usage", "plot RESULTS.json PICTURE.svg");
    results = read_results(argv[1]);
    picture.results = results;
    curves = json_member(results, "curves", JSON_ARRAY);
    for (const struct json *at = curves ? curves->first : NULL; at; at = at->next) {
        if (picture.curve_count == MOST_CURVES)
            die(argv[1], "too many curves");
        picture.curves[picture.curve_count++] = at;
    }
    find_scales(&picture);

    picture.file = fopen(argv[2], "we");
    if (!picture.file)
        die(argv[2], strerror(errno));
    draw(&picture);
    if (fclose(picture.file) != 0)
        die(argv[2], strerror(errno));
    json_free(results);
    return 0;
}
