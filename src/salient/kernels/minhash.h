/* One-permutation MinHash over runs of terms: what `minhash.py` defines. */

#ifndef SALIENT_MINHASH_H
#define SALIENT_MINHASH_H

#include "terms.h"

#define SALIENT_BASE 0x9e3779b97f4a7c15ULL
#define SALIENT_EMPTY 0xffffffffu

/* The least value of each of 2^bits bins, and all `values` in order; how many runs there are.

   A text shorter than a run is one run. */
static int64_t salient_bins(const salient_term *terms, int64_t n, int64_t run, int bits, uint32_t *bins, uint32_t *values)
{
    int64_t size = (int64_t)1 << bits, length = n < run ? n : run, runs = n ? n - length + 1 : 0;
    uint64_t sum = 0, high = 1;
    for (int64_t i = 0; i < size; i++)
        bins[i] = SALIENT_EMPTY;
    if (!runs)
        return 0;
    for (int64_t i = 0; i < length; i++) {
        sum = sum * SALIENT_BASE + terms[i].hash;
        high *= SALIENT_BASE;
    }
    for (int64_t i = length;; i++) {
        uint64_t hash = salient_mixed(sum);
        uint32_t value = (uint32_t)(hash >> 32);
        uint32_t *bin = bins + (hash >> (64 - bits));
        value -= value == SALIENT_EMPTY;
        *bin = value < *bin ? value : *bin;
        *values++ = value;
        if (i == n)
            break;
        sum = sum * SALIENT_BASE + terms[i].hash - high * terms[i - length].hash;
    }
    return runs;
}

/* Empty bins get the value of one that is drawn for them, the same one for all texts with the same full bins. */
static void salient_filled(const uint32_t *bins, int bits, uint32_t *out)
{
    int64_t size = (int64_t)1 << bits;
    for (int64_t i = 0; i < size; i++) {
        int64_t from = i;
        for (uint64_t attempt = 1; bins[from] == SALIENT_EMPTY; attempt++)
            from = (int64_t)(salient_mixed((uint64_t)i * SALIENT_BASE + attempt) >> (64 - bits));
        out[i] = bins[from];
    }
}

/* In order, by bytes: linear whatever the values are. `spare` has room for as many. */
static void salient_sorted(uint32_t *values, uint32_t *spare, int64_t n)
{
    for (int shift = 0; shift < 32; shift += 8) {
        int64_t from[256] = {0}, at = 0;
        for (int64_t i = 0; i < n; i++)
            from[values[i] >> shift & 255]++;
        for (int i = 0; i < 256; i++) {
            int64_t here = from[i];
            from[i] = at;
            at += here;
        }
        for (int64_t i = 0; i < n; i++)
            spare[from[values[i] >> shift & 255]++] = values[i];
        uint32_t *other = values;
        values = spare;
        spare = other;
    }
}

static int64_t salient_different(const uint32_t *sorted, int64_t n, int64_t most, uint32_t *out)
{
    int64_t found = 0;
    for (int64_t i = 0; i < n && found < most; i++)
        if (!i || sorted[i] != sorted[i - 1])
            out[found++] = sorted[i];
    return found;
}

/* The `size` least of the values that are different, in order. Of many, those are looked at first that are as
   small as more than enough should be; runs that come often may leave too few of them. `spare` has room for 2 n. */
static void salient_least(const uint32_t *values, int64_t n, int64_t size, uint32_t *spare, uint32_t *out)
{
    int64_t found = 0;
    if (n > 4 * size) {
        uint32_t most = (uint32_t)(4294967295.0 / (double)n * 2.0 * (double)size);
        int64_t few = 0;
        for (int64_t i = 0; i < n; i++) {
            spare[few] = values[i];
            few += values[i] <= most;
        }
        salient_sorted(spare, spare + n, few);
        found = salient_different(spare, few, size, out);
    }
    if (found < size) {
        memcpy(spare, values, (size_t)n * sizeof *values);
        salient_sorted(spare, spare + n, n);
        found = salient_different(spare, n, size, out);
    }
    for (int64_t i = found; i < size; i++)
        out[i] = SALIENT_EMPTY;
}

/* Jaccard of two sets of which these are the `size` least values. */
static double salient_jaccard(const uint32_t *one, const uint32_t *other, int64_t size)
{
    int64_t i = 0, j = 0, both = 0, n = 0;
    for (; n < size; n++) {
        uint32_t a = one[i], b = other[j];
        if ((a < b ? a : b) == SALIENT_EMPTY)
            break;
        both += a == b;
        i += a <= b;
        j += b <= a;
    }
    return n ? (double)both / (double)n : 0.0;
}

#endif
