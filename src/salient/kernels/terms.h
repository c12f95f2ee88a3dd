/* Terms of UTF-8 text and their hashes: what `terms.py` defines, over pointers.

   A text of ASCII alone, which most are, is cut sixteen bytes at a time; any other by code points, with classes and
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

/* Eight bytes may be read past the end. */
static inline uint64_t salient_hash(const uint8_t *p, int64_t size)
{
    uint64_t h = 0x9e3779b97f4a7c15ULL ^ (uint64_t)size, w;
    for (; size > 8; p += 8, size -= 8) {
        memcpy(&w, p, 8);
        h = (h ^ w) * 0xff51afd7ed558ccdULL;
        h ^= h >> 29;
    }
    memcpy(&w, p, 8);
    if (size < 8)
        w &= (1ULL << (8 * size)) - 1;
    return salient_mixed((h ^ w) * 0xff51afd7ed558ccdULL);
}

static inline uint64_t salient_joined(uint64_t a, uint64_t b)
{
    return salient_mixed(a * 0x9e3779b97f4a7c15ULL + b);
}

static inline int salient_added(salient_terms *s, int64_t start, int64_t end, int64_t at, int64_t size)
{
    if (s->n == s->room) {
        int64_t room = s->room ? 2 * s->room : 512;
        salient_term *more = realloc(s->terms, room * sizeof *more);
        if (!more)
            return -1;
        s->terms = more;
        s->room = room;
    }
    salient_term *term = &s->terms[s->n++];
    term->hash = salient_hash(s->folded + at, size);
    term->start = start;
    term->end = end;
    term->at = at;
    term->size = size;
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

static inline int salient_is_ascii(const uint8_t *text, int64_t n)
{
    int64_t at = 0;
    uint64_t w, high = 0;
    for (; at + 8 <= n; at += 8) {
        memcpy(&w, text + at, 8);
        high |= w;
    }
    for (; at < n; at++)
        high |= (uint64_t)text[at];
    return !(high & 0x8080808080808080ULL);
}

static inline int salient_ascii_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static int salient_cut_ascii(salient_terms *s, const uint8_t *text, int64_t n)
{
    int64_t start = -1;
    if (salient_has_room(s, n + 32))
        return -1;
    uint8_t *folded = s->folded;
    for (int64_t at = 0; at < n; at += 16) {
        uint32_t words;
#if defined(__SSE2__)
        __m128i v;
        if (at + 16 <= n)
            v = _mm_loadu_si128((const __m128i *)(text + at));
        else {
            uint8_t rest[16] = {0};
            memcpy(rest, text + at, n - at);
            v = _mm_loadu_si128((const __m128i *)rest);
        }
#define BETWEEN(v, a, b) \
    _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((a) - 1)), _mm_cmpgt_epi8(_mm_set1_epi8((b) + 1), v))
        __m128i upper = BETWEEN(v, 'A', 'Z'), low = _mm_or_si128(v, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
        __m128i word = _mm_or_si128(_mm_or_si128(BETWEEN(low, 'a', 'z'), BETWEEN(v, '0', '9')),
                                    _mm_cmpeq_epi8(v, _mm_set1_epi8('_')));
#undef BETWEEN
        _mm_storeu_si128((__m128i *)(folded + at), low);
        words = (uint32_t)_mm_movemask_epi8(word);
#else
        words = 0;
        for (int64_t i = 0; i < 16; i++) {
            uint8_t c = at + i < n ? text[at + i] : 0;
            folded[at + i] = c >= 'A' && c <= 'Z' ? c + 32 : c;
            words |= (uint32_t)salient_ascii_word(c) << i;
        }
#endif
        uint32_t turns = (words ^ (words << 1 | (start >= 0))) & 0xffff;
        while (turns) {
            int64_t here = at + __builtin_ctz(turns);
            turns &= turns - 1;
            if (start < 0)
                start = here;
            else {
                if (salient_added(s, start, here, start, here - start))
                    return -1;
                start = -1;
            }
        }
    }
    if (start >= 0 && salient_added(s, start, n, start, n - start))
        return -1;
    return 0;
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
    return salient_is_ascii(text, n) ? salient_cut_ascii(s, text, n) : salient_cut_any(s, text, n);
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
    uint32_t *keys; /* open addressing over columns: slot -> place in `columns` + 1 */
    int64_t n_slots, slots_room; /* those of this text, and those that there is room for */
    uint32_t *columns;
    int32_t *values;
    int64_t room, n;
} salient_bag;

static inline int salient_bag_room(salient_bag *bag, int64_t features)
{
    if (features > bag->room) {
        int64_t room = features + features / 2 + 256;
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
    int64_t slots = 64;
    while (slots < 2 * features)
        slots *= 2;
    if (slots > bag->slots_room) {
        free(bag->keys);
        bag->keys = malloc(slots * sizeof *bag->keys);
        bag->slots_room = bag->keys ? slots : 0;
    }
    bag->n_slots = slots;
    if (!bag->keys)
        return -1;
    memset(bag->keys, 0, slots * sizeof *bag->keys);
    return 0;
}

static inline void salient_bag_put(salient_bag *bag, uint64_t hash, uint32_t mask)
{
    uint32_t column = (uint32_t)hash & mask, *keys = bag->keys;
    int64_t last = bag->n_slots - 1, slot = column & last;
    for (; keys[slot]; slot = (slot + 1) & last)
        if (bag->columns[keys[slot] - 1] == column)
            break;
    if (!keys[slot]) {
        bag->columns[bag->n] = column;
        bag->values[bag->n] = 0;
        keys[slot] = (uint32_t)++bag->n;
    }
    bag->values[keys[slot] - 1] += hash >> 63 ? -1 : 1;
}

static inline void salient_bag_freed(salient_bag *bag)
{
    free(bag->keys);
    free(bag->columns);
    free(bag->values);
}

static inline int64_t salient_n_grams(const salient_term *term, const salient_spec *spec)
{
    return spec->longest ? (int64_t)(spec->longest - spec->shortest + 1) * (term->size + 2) : 0;
}

/* n-grams of code points of "<term>"; `marked` has room for the term and 12 more. */
static inline void salient_put_grams(salient_bag *bag, const uint8_t *folded, const salient_term *term,
                                     const salient_spec *spec, uint8_t *marked, uint32_t mask)
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
                salient_bag_put(bag, salient_joined(salient_hash(marked + from, to - from), 0x6772616d), mask);
        }
    }
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
    bag->n = 0;
    if (salient_bag_room(bag, most))
        return -1;
    uint32_t mask = (uint32_t)((1ULL << spec->bits) - 1);
    const salient_term *terms = s->terms;
    for (int64_t i = 0; i < s->n; i++) {
        uint64_t hash = terms[i].hash;
        if (spec->words > 0)
            salient_bag_put(bag, hash, mask);
        for (int length = 2; length <= spec->words && i + length <= s->n; length++) {
            hash = salient_joined(hash, terms[i + length - 1].hash);
            salient_bag_put(bag, hash, mask);
        }
    }
    if (spec->longest) {
        uint8_t *marked = malloc(longest + 12);
        if (!marked)
            return -1;
        for (int64_t i = 0; i < s->n; i++)
            salient_put_grams(bag, s->folded, &terms[i], spec, marked, mask);
        free(marked);
    }
    return 0;
}

#endif
