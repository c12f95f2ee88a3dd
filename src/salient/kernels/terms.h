/* Terms of UTF-8 text and their hashes: what `terms.py` defines, over pointers.

   A text of ASCII alone, which most are, is cut 64 bytes at a time; any other by code points, with classes and
   folded forms out of a table that the definition makes. Bytes that are no UTF-8 part terms and are in none. */

#ifndef SALIENT_TERMS_H
#define SALIENT_TERMS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define SALIENT_TABLE 0x20000 /* code points that the table tells of; those above stand alone or are none */

enum { SALIENT_NONE = 0, SALIENT_WORD = 1, SALIENT_ALONE = 2 };

typedef struct {
    uint64_t hash;
    int64_t start, end; /* bytes of the text */
    int64_t at, size;   /* of the folded form in `folded` */
} salient_term;

typedef struct {
    const uint32_t *table; /* class << 24 | folded code point, or class << 24 | 1 << 23 | number of an expansion */
    const uint32_t *expansions; /* four each: how many, and the code points */
    uint8_t *folded;
    int64_t folded_room;
    salient_term *terms;
    int64_t room, n;
} salient_terms;

static inline uint64_t salient_mixed(uint64_t h)
{
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93ULL;
    h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93ULL;
    return h ^ (h >> 32);
}

static const uint64_t salient_low[9] = {
    0, 0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffffULL, 0xffffffffffffULL, 0xffffffffffffffULL, ~0ULL,
};

/* Eight bytes may be read past the end. Up to sixteen it goes without a branch, which would often go wrong. */
static inline uint64_t salient_hash(const uint8_t *p, int64_t size)
{
    uint64_t h = 0x9e3779b97f4a7c15ULL ^ (uint64_t)size, w, longer;
    while (size > 16) {
        memcpy(&w, p, 8);
        h = (h ^ w) * 0xff51afd7ed558ccdULL;
        h ^= h >> 29;
        p += 8;
        size -= 8;
    }
    int64_t more = size > 8 ? 8 : 0;
    memcpy(&w, p, 8);
    longer = (h ^ w) * 0xff51afd7ed558ccdULL;
    longer ^= longer >> 29;
    h = more ? longer : h;
    memcpy(&w, p + more, 8);
    return salient_mixed((h ^ (w & salient_low[size - more])) * 0xff51afd7ed558ccdULL);
}

static inline uint64_t salient_joined(uint64_t a, uint64_t b)
{
    return salient_mixed(a * 0x9e3779b97f4a7c15ULL + b);
}

static inline int salient_terms_room(salient_terms *s, int64_t more)
{
    if (s->n + more > s->room) {
        int64_t room = 2 * s->room + more + 512;
        salient_term *terms = realloc(s->terms, room * sizeof *terms);
        if (!terms)
            return -1;
        s->terms = terms;
        s->room = room;
    }
    return 0;
}

/* There must be room for it. */
static inline void salient_put_term(salient_terms *s, int64_t start, int64_t end, int64_t at, int64_t size)
{
    salient_term *term = &s->terms[s->n++];
    term->hash = salient_hash(s->folded + at, size);
    term->start = start;
    term->end = end;
    term->at = at;
    term->size = size;
}

static inline int salient_added(salient_terms *s, int64_t start, int64_t end, int64_t at, int64_t size)
{
    if (salient_terms_room(s, 1))
        return -1;
    salient_put_term(s, start, end, at, size);
    return 0;
}

static inline int salient_has_room(salient_terms *s, int64_t size)
{
    if (size <= s->folded_room)
        return 0;
    int64_t room = size + size / 2 + 4096;
    uint8_t *more = realloc(s->folded, room);
    if (!more)
        return -1;
    s->folded = more;
    s->folded_room = room;
    return 0;
}

static inline int32_t salient_ones(uint64_t w)
{
    /* The baseline has no instruction for it. */
    w -= w >> 1 & 0x5555555555555555ULL;
    w = (w & 0x3333333333333333ULL) + (w >> 2 & 0x3333333333333333ULL);
    return (int32_t)(((w + (w >> 4)) & 0x0f0f0f0f0f0f0f0fULL) * 0x0101010101010101ULL >> 56);
}

/* 64 bytes folded, and a bit for each that belongs to a term; -1 if any is not ASCII. */
static inline int salient_block(const uint8_t *text, uint8_t *folded, uint64_t *found)
{
    uint64_t words = 0;
#if defined(__SSE2__)
    int high = 0;
#define BETWEEN(v, a, b) \
    _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((a) - 1)), _mm_cmpgt_epi8(_mm_set1_epi8((b) + 1), v))
    for (int part = 0; part < 4; part++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(text + 16 * part));
        __m128i upper = BETWEEN(v, 'A', 'Z'), low = _mm_or_si128(v, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
        __m128i word = _mm_or_si128(_mm_or_si128(BETWEEN(low, 'a', 'z'), BETWEEN(v, '0', '9')),
                                    _mm_cmpeq_epi8(v, _mm_set1_epi8('_')));
        _mm_storeu_si128((__m128i *)(folded + 16 * part), low);
        words |= (uint64_t)(uint32_t)_mm_movemask_epi8(word) << (16 * part);
        high |= _mm_movemask_epi8(v);
    }
#undef BETWEEN
#else
    uint8_t high = 0;
    for (int i = 0; i < 64; i++) {
        uint8_t c = text[i];
        int upper = c >= 'A' && c <= 'Z';
        high |= c & 0x80;
        folded[i] = upper ? c + 32 : c;
        words |= (uint64_t)(upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') << i;
    }
#endif
    *found = words;
    return high ? -1 : 0;
}

/* As `salient_cut`, of ASCII; 1 if it is none. */
static int salient_cut_ascii(salient_terms *s, const uint8_t *text, int64_t n)
{
    int64_t turns_at[64 + 1 + 8], n_at = 0; /* where terms start and end, in turn */
    uint64_t inside = 0;
    uint8_t rest[64];
    if (salient_has_room(s, n + 64 + 16))
        return -1;
    for (int64_t at = 0; at < n; at += 64) {
        const uint8_t *block = text + at;
        uint64_t words, turns;
        if (n - at < 64) {
            memset(rest, 0, sizeof rest);
            memcpy(rest, block, n - at);
            block = rest;
        }
        if (salient_block(block, s->folded + at, &words))
            return 1;
        turns = words ^ (words << 1 | inside);
        inside = words >> 63;
        int64_t count = salient_ones(turns), *to = turns_at + n_at;
        /* Eight at a time, some of no meaning: a loop of as many as there are would end where nobody foresees. */
        for (int64_t i = 0; i < count; i += 8)
            for (int64_t j = i; j < i + 8; j++) {
                to[j] = at + __builtin_ctzll(turns | 1ULL << 63);
                turns &= turns - 1;
            }
        n_at += count;
        if (salient_terms_room(s, n_at / 2))
            return -1;
        for (int64_t i = 0; i + 1 < n_at; i += 2)
            salient_put_term(s, turns_at[i], turns_at[i + 1], turns_at[i], turns_at[i + 1] - turns_at[i]);
        turns_at[0] = turns_at[n_at - (n_at & 1)];
        n_at &= 1;
    }
    return n_at ? salient_added(s, turns_at[0], n, turns_at[0], n - turns_at[0]) : 0;
}

/* The code point at `text`, and how many bytes it takes; -1 and 1 for what is no UTF-8. */
static inline int32_t salient_point(const uint8_t *text, int64_t left, int *size)
{
    uint8_t c = text[0];
    *size = 1;
    if (c < 0x80)
        return c;
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    if (c < 0xc2 || c > 0xf4 || left <= more)
        return -1;
    int32_t point = c & (0x3f >> more);
    for (int i = 1; i <= more; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return -1;
        point = point << 6 | (text[i] & 0x3f);
    }
    if ((more == 2 && point < 0x800) || (more == 3 && (point < 0x10000 || point > 0x10ffff)) ||
        (point >= 0xd800 && point <= 0xdfff))
        return -1;
    *size = more + 1;
    return point;
}

static inline int64_t salient_written(uint8_t *to, uint32_t point)
{
    if (point < 0x80) {
        to[0] = point;
        return 1;
    }
    int more = point >= 0x10000 ? 3 : point >= 0x800 ? 2 : 1;
    for (int i = more; i; i--, point >>= 6)
        to[i] = 0x80 | (point & 0x3f);
    to[0] = (more == 3 ? 0xf0 : more == 2 ? 0xe0 : 0xc0) | point;
    return more + 1;
}

static int salient_cut_any(salient_terms *s, const uint8_t *text, int64_t n)
{
    int64_t start = -1, begin = 0, at = 0;
    /* A code point's folded form is three times as long at most. */
    if (salient_has_room(s, 3 * n + 32))
        return -1;
    uint8_t *to = s->folded;
    for (int64_t here = 0; here < n;) {
        int size, class = SALIENT_NONE;
        int32_t point = salient_point(text + here, n - here, &size);
        uint32_t told = 0;
        if (point >= 0) {
            told = point < SALIENT_TABLE ? s->table[point]
                                         : (uint32_t)(point < 0x323b0 ? SALIENT_ALONE : SALIENT_NONE) << 24;
            class = told >> 24;
        }
        if (start >= 0 && class != SALIENT_WORD) {
            if (salient_added(s, start, here, begin, at - begin))
                return -1;
            start = -1;
        }
        if (class != SALIENT_NONE) {
            if (start < 0) {
                start = here;
                begin = at;
            }
            if (point >= SALIENT_TABLE)
                at += salient_written(to + at, point);
            else if (told >> 23 & 1) {
                const uint32_t *each = s->expansions + 4 * (told & 0x7fffff);
                for (uint32_t i = 1; i <= each[0]; i++)
                    at += salient_written(to + at, each[i]);
            } else
                at += salient_written(to + at, told & 0x7fffff);
            if (class == SALIENT_ALONE) {
                if (salient_added(s, start, here + size, begin, at - begin))
                    return -1;
                start = -1;
            }
        }
        here += size;
    }
    if (start >= 0 && salient_added(s, start, n, begin, at - begin))
        return -1;
    return 0;
}

/* The terms of a text, in order; -1 for want of memory. */
static inline int salient_cut(salient_terms *s, const uint8_t *text, int64_t n)
{
    s->n = 0;
    int other = salient_cut_ascii(s, text, n);
    if (other != 1)
        return other;
    s->n = 0;
    return salient_cut_any(s, text, n);
}

static inline void salient_terms_freed(salient_terms *s)
{
    free(s->folded);
    free(s->terms);
}

/* --- features ----------------------------------------------------------------------------------- */

typedef struct {
    int32_t bits, words, shortest, longest;
} salient_spec;

/* Columns of one text and the sums of their signs, in the order of first uses. */
typedef struct {
    uint32_t *raw; /* a column each feature, its sign in the highest bit */
    int64_t raw_room, n_raw;
    uint32_t *keys; /* open addressing over columns: slot -> before + place in `columns` + 1 */
    int64_t slots_room;
    uint32_t before; /* what is in slots of texts before is no larger: so none has to be cleared */
    uint32_t *columns;
    int32_t *values;
    int64_t room, n;
    const uint64_t *held; /* a bit a column: the only ones that are of interest; or NULL for all */
} salient_bag;

static inline int salient_bag_begun(salient_bag *bag, int64_t features)
{
    bag->n = bag->n_raw = 0;
    if (features + 1 > bag->raw_room) {
        int64_t room = features + features / 2 + 256;
        uint32_t *raw = realloc(bag->raw, room * sizeof *raw);
        if (!raw)
            return -1;
        bag->raw = raw;
        bag->raw_room = room;
    }
    return 0;
}

/* The n-th feature; returns how many there are then. Whether a column is held is no better than a coin: so it is written
   anyhow, and counted if it is. `n` stays in a register, since each waits for the one before. */
static inline int64_t salient_put(uint32_t *raw, int64_t n, const uint64_t *held, uint64_t hash, uint32_t mask)
{
    uint32_t column = (uint32_t)hash & mask;
    raw[n] = column | (uint32_t)(hash >> 63) << 31;
    return n + (held ? (int64_t)(held[column >> 6] >> (column & 63) & 1) : 1);
}

/* Sum the signs of each column. */
static inline int salient_bag_summed(salient_bag *bag)
{
    int64_t n = bag->n_raw, slots = 64;
    if (n > bag->room) {
        int64_t room = n + n / 2 + 256;
        uint32_t *columns = realloc(bag->columns, room * sizeof *columns);
        if (columns)
            bag->columns = columns;
        int32_t *values = realloc(bag->values, room * sizeof *values);
        if (values)
            bag->values = values;
        if (!columns || !values)
            return -1;
        bag->room = room;
    }
    /* So many that hardly any two meet: a look that fails is a branch that nobody foresees. */
    while (slots < 16 * n)
        slots *= 2;
    if (slots > bag->slots_room || bag->before > UINT32_MAX - (uint32_t)n - 1) {
        if (slots > bag->slots_room) {
            free(bag->keys);
            bag->keys = malloc(slots * sizeof *bag->keys);
            bag->slots_room = bag->keys ? slots : 0;
            if (!bag->keys)
                return -1;
        }
        memset(bag->keys, 0, bag->slots_room * sizeof *bag->keys);
        bag->before = 0;
    }
    uint32_t *keys = bag->keys, *columns = bag->columns, used = 0, before = bag->before;
    int32_t *values = bag->values;
    const uint32_t *raw = bag->raw;
    for (int64_t i = 0; i < n; i++) {
        uint32_t column = raw[i] & 0x7fffffff;
        int64_t slot = column & (slots - 1);
        int32_t sign = 1 - (int32_t)(raw[i] >> 31 << 1);
        for (; keys[slot] > before; slot = (slot + 1) & (slots - 1))
            if (columns[keys[slot] - before - 1] == column)
                break;
        if (keys[slot] > before)
            values[keys[slot] - before - 1] += sign;
        else {
            columns[used] = column;
            values[used] = sign;
            keys[slot] = before + ++used;
        }
    }
    bag->n = used;
    bag->before = before + used;
    return 0;
}

static inline void salient_bag_freed(salient_bag *bag)
{
    free(bag->raw);
    free(bag->keys);
    free(bag->columns);
    free(bag->values);
}

static inline int64_t salient_n_grams(const salient_term *term, const salient_spec *spec)
{
    return spec->longest ? (int64_t)(spec->longest - spec->shortest + 1) * (term->size + 2) : 0;
}

/* n-grams of code points of "<term>"; `marked` has room for the term and 12 more. */
static inline int64_t salient_put_grams(uint32_t *raw, int64_t n, const uint64_t *held, const uint8_t *folded,
                                        const salient_term *term, const salient_spec *spec, uint8_t *marked,
                                        uint32_t mask, uint32_t half)
{
    int64_t size = term->size + 2;
    marked[0] = '<';
    memcpy(marked + 1, folded + term->at, term->size);
    marked[size - 1] = '>';
    for (int64_t from = 0; from < size; from++) {
        if ((marked[from] & 0xc0) == 0x80)
            continue;
        int64_t to = from;
        for (int length = 1; length <= spec->longest && to < size; length++) {
            to++;
            while (to < size && (marked[to] & 0xc0) == 0x80)
                to++;
            if (length >= spec->shortest)
                n = salient_put(raw, n, held,
                                salient_joined(salient_hash(marked + from, to - from), 0x6772616d) | half, mask);
        }
    }
    return n;
}

/* The bag of a text's features; -1 for want of memory. */
static int salient_features(salient_terms *s, salient_bag *bag, const uint8_t *text, int64_t n,
                            const salient_spec *spec)
{
    if (salient_cut(s, text, n))
        return -1;
    int64_t most = s->n * spec->words, longest = 0;
    if (spec->longest)
        for (int64_t i = 0; i < s->n; i++) {
            most += salient_n_grams(&s->terms[i], spec);
            longest = s->terms[i].size > longest ? s->terms[i].size : longest;
        }
    if (salient_bag_begun(bag, most))
        return -1;
    uint32_t mask = (uint32_t)((1ULL << spec->bits) - 1);
    /* With both kinds each has one half of the columns. */
    uint32_t half = spec->words > 0 && spec->longest ? 1U << (spec->bits - 1) : 0, own = mask & ~half;
    const salient_term *terms = s->terms;
    const uint64_t *held = bag->held;
    uint32_t *raw = bag->raw;
    int64_t n_raw = 0, n_terms = s->n;
    int32_t words = spec->words;
    for (int64_t i = 0; i < n_terms; i++) {
        uint64_t hash = terms[i].hash;
        if (words > 0)
            n_raw = salient_put(raw, n_raw, held, hash, own);
        for (int length = 2; length <= words && i + length <= n_terms; length++) {
            hash = salient_joined(hash, terms[i + length - 1].hash);
            n_raw = salient_put(raw, n_raw, held, hash, own);
        }
    }
    if (spec->longest) {
        uint8_t *marked = malloc(longest + 12);
        if (!marked)
            return -1;
        for (int64_t i = 0; i < s->n; i++)
            n_raw = salient_put_grams(raw, n_raw, held, s->folded, &terms[i], spec, marked, mask, half);
        free(marked);
    }
    bag->n_raw = n_raw;
    return salient_bag_summed(bag);
}

#endif
