/* Changes of rows; changes.py says what these must do. Loops that the compiler writes once for the baseline and once for AVX2. */
#ifndef SALIENT_CHANGES_H
#define SALIENT_CHANGES_H
#include <math.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define SALIENT_CLONES __attribute__((target_clones("default", "avx2")))
#else
#define SALIENT_CLONES
#endif

#define SALIENT_PARTS 32767.0f
#define SALIENT_SMALLEST 1e-30f

/* How many rows changed; they, their values and scales are written one after another. */
SALIENT_CLONES static int64_t salient_changes(const float *restrict base, const float *restrict after, int64_t n,
                                              int64_t width, int32_t *restrict rows, int16_t *restrict values,
                                              float *restrict scales)
{
    int64_t found = 0;
    for (int64_t row = 0; row < n; row++) {
        const float *a = after + row * width, *b = base + row * width;
        int16_t *to = values + found * width;
        uint32_t most = 0; /* bits of floats without their sign are in order, and what is no number is above all */
        for (int64_t i = 0; i < width; i++) {
            union { float f; uint32_t u; } d;
            d.f = a[i] - b[i];
            uint32_t bits = d.u & 0x7fffffffu;
            most = bits > most ? bits : most;
        }
        union { uint32_t u; float f; } largest = {most};
        if (largest.f < SALIENT_SMALLEST)
            continue;
        rows[found] = (int32_t)row;
        if (most >= 0x7f800000u) {
            scales[found++] = NAN;
            for (int64_t i = 0; i < width; i++)
                to[i] = 0;
            continue;
        }
        float scale = largest.f * (1.0f / SALIENT_PARTS), times = 1.0f / scale;
        for (int64_t i = 0; i < width; i++) {
            float part = (a[i] - b[i]) * times;
            /* Beyond the parts by less than a hundredth at most, it rounds to them. 1.5 * 2^23: to the nearest, halves to even. */
            to[i] = (int16_t)(int32_t)(part + 12582912.0f - 12582912.0f);
        }
        scales[found++] = scale;
    }
    return found;
}

/* Rows a to b of one's changes, onto the sums of rows from `low`. */
SALIENT_CLONES static void salient_added(const int32_t *restrict rows, const int16_t *restrict values,
                                         const float *restrict scales, int64_t n, int64_t width, int64_t low,
                                         float weight, float *restrict sums, int32_t *restrict counts)
{
    for (int64_t k = 0; k < n; k++) {
        int64_t row = rows[k] - low;
        float *to = sums + row * width, scale = scales[k] * weight;
        const int16_t *from = values + k * width;
        for (int64_t i = 0; i < width; i++)
            to[i] += (float)from[i] * scale;
        counts[row]++;
    }
}
#endif
