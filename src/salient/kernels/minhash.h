/* One-permutation MinHash over runs of terms: what `minhash.py` defines. */

#ifndef SALIENT_MINHASH_H
#define SALIENT_MINHASH_H

#include "terms.h"

#define SALIENT_BASE 0x9e3779b97f4a7c15ULL
#define SALIENT_EMPTY 0xffffffffu

/* The least value of each of 2^bits bins; how many runs there are. A text shorter than a run is one run. */
static int64_t salient_bins(const salient_term *terms, int64_t n, int64_t run, int bits, uint32_t *bins)
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

#endif
