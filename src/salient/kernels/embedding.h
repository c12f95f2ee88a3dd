/* Training of word and document vectors; embedding.py says what it must do.
 *
 * The file includes itself once for each level: the same loops in vectors of eight floats, for the
 * baseline and for AVX2 with FMA; which one runs is chosen when the process first trains. */
#ifndef SALIENT_EMBEDDING_H
#define SALIENT_EMBEDDING_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EMB_SENTENCE 1024
#define EMB_ROWS 66   /* input rows a window: 2 * 32 and a document */
#define EMB_TARGETS 24 /* the word and its negatives, a multiple of 8 */
enum { EMB_MEAN = 1, EMB_WORDS = 2, EMB_LEARN_WORDS = 4, EMB_LEARN_OUTPUTS = 8, EMB_LEARN_DOCS = 16 };

typedef struct {
    const int32_t* corpus; int64_t n;          /* word >= 0, -1 ends a sentence, -2 - d begins document d */
    float* inputs; float* outputs; float* docs; int64_t dim; /* rows of dim floats, a multiple of 8 */
    const float* keep;                         /* by word: the share of its uses that is trained on */
    const int32_t* negatives; uint32_t mask;   /* words to draw from, 2^b of them */
    const int64_t* piece_starts; const int32_t* pieces; /* rows of inputs a word is the mean of; or NULL */
    int window, k, flags;
    float rate0, rate1; uint64_t seed;
    int64_t words; double loss; int64_t pairs; /* results */
} emb_job;

typedef float emb_v8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t emb_i8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float emb_v4 __attribute__((vector_size(16)));

#define EMB_INLINE static inline __attribute__((always_inline))

EMB_INLINE uint64_t emb_random(uint64_t* s) {
    uint64_t x = *s;
    x ^= x << 13; x ^= x >> 7; x ^= x << 17;
    *s = x;
    return x * 0x2545F4914F6CDD1DULL;
}

#pragma GCC diagnostic ignored "-Wpsabi"
#define EMB_LEVEL(name) name##_base
#define EMB_TARGET
#include "embedding.h"
#undef EMB_LEVEL
#undef EMB_TARGET
#if defined(__x86_64__)
#define EMB_LEVEL(name) name##_avx2
#define EMB_TARGET __attribute__((target("avx2,fma")))
#include "embedding.h"
#undef EMB_LEVEL
#undef EMB_TARGET
#endif

/* 0, or -1 when memory is lacking. Level 0 is the baseline, -1 the best there is. */
static int emb_train(emb_job* job, int level) {
#if defined(__x86_64__)
    if (level != 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return emb_run_avx2(job);
#endif
    (void)level;
    return emb_run_base(job);
}

#elif defined(EMB_LEVEL)

/* Lane t of the result is the sum of all lanes of a[t]. */
EMB_INLINE EMB_TARGET emb_v8 EMB_LEVEL(emb_sums)(const emb_v8* a) {
    emb_v8 p[4], q[2];
    for (int i = 0; i < 4; i++)
        p[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14) +
               __builtin_shufflevector(a[2 * i], a[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    for (int i = 0; i < 2; i++)
        q[i] = __builtin_shufflevector(p[2 * i], p[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
               __builtin_shufflevector(p[2 * i], p[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
    return __builtin_shufflevector(q[0], q[1], 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(q[0], q[1], 4, 5, 6, 7, 12, 13, 14, 15);
}

/* 1 / (1 + exp(-x)), to seven digits: exp by 2^i and a polynomial for the rest. */
EMB_INLINE EMB_TARGET emb_v8 EMB_LEVEL(emb_sigmoid)(emb_v8 x) {
    const emb_v8 top = {30, 30, 30, 30, 30, 30, 30, 30};
    emb_i8 over = x > top, under = x < -top;
    x = (emb_v8)((over & (emb_i8)top) | (under & (emb_i8)-top) | (~over & ~under & (emb_i8)x));
    emb_v8 y = -x * 1.44269504f;
    emb_v8 shift = y + 12582912.0f; /* 1.5 * 2^23: rounds to the nearest whole number */
    emb_v8 whole = shift - 12582912.0f;
    emb_v8 f = (y - whole) * 0.693147181f;
    emb_v8 e = 1.0f + f * (1.0f + f * (0.5f + f * (0.166666667f + f * (0.0416666667f + f * (0.00833333333f + f * 0.00138888889f)))));
    emb_i8 bits = (((emb_i8)shift) << 23) + ((emb_i8)e);
    return 1.0f / (1.0f + (emb_v8)bits);
}

/* One window: rows x[c] against rows o[t], the first of which is the word that was there.
 * `on[t]` is 0 for a negative that is that very word. */
EMB_INLINE EMB_TARGET void EMB_LEVEL(emb_six)(float** x, int n, float** o, const float* on, int64_t dim, float rate,
                                              int flags, int doc_at, emb_v8* loss) {
    emb_v8 g[EMB_ROWS];
    const emb_v8 want = {1, 0, 0, 0, 0, 0, 0, 0};
    emb_v8 used = *(const emb_v8*)on;
    for (int c = 0; c < n; c++) {
        emb_v8 a0 = {0}, a1 = {0}, a2 = {0}, a3 = {0}, a4 = {0}, a5 = {0};
        const float* row = x[c];
        for (int64_t v = 0; v < dim; v += 8) {
            emb_v8 xv = *(const emb_v8*)(row + v);
            a0 += xv * *(const emb_v8*)(o[0] + v); a1 += xv * *(const emb_v8*)(o[1] + v);
            a2 += xv * *(const emb_v8*)(o[2] + v); a3 += xv * *(const emb_v8*)(o[3] + v);
            a4 += xv * *(const emb_v8*)(o[4] + v); a5 += xv * *(const emb_v8*)(o[5] + v);
        }
        emb_v8 all[8] = {a0, a1, a2, a3, a4, a5, {0}, {0}};
        emb_v8 e = (want - EMB_LEVEL(emb_sigmoid)(EMB_LEVEL(emb_sums)(all))) * used;
        *loss += e * e;
        g[c] = e * rate;
    }
    int outputs = flags & EMB_LEARN_OUTPUTS;
    int words = flags & EMB_LEARN_WORDS, docs = flags & EMB_LEARN_DOCS;
    for (int64_t v = 0; v < dim; v += 8) {
        emb_v8 d0 = {0}, d1 = {0}, d2 = {0}, d3 = {0}, d4 = {0}, d5 = {0};
        emb_v8 o0 = *(emb_v8*)(o[0] + v), o1 = *(emb_v8*)(o[1] + v), o2 = *(emb_v8*)(o[2] + v),
               o3 = *(emb_v8*)(o[3] + v), o4 = *(emb_v8*)(o[4] + v), o5 = *(emb_v8*)(o[5] + v);
        for (int c = 0; c < n; c++) {
            const float* w = (const float*)&g[c];
            emb_v8 xv = *(emb_v8*)(x[c] + v), y = xv;
            d0 += xv * w[0]; y += o0 * w[0]; d1 += xv * w[1]; y += o1 * w[1];
            d2 += xv * w[2]; y += o2 * w[2]; d3 += xv * w[3]; y += o3 * w[3];
            d4 += xv * w[4]; y += o4 * w[4]; d5 += xv * w[5]; y += o5 * w[5];
            if (c == doc_at ? docs : words) *(emb_v8*)(x[c] + v) = y;
        }
        if (outputs) { /* one after another: negatives may repeat */
            *(emb_v8*)(o[0] + v) += d0; *(emb_v8*)(o[1] + v) += d1; *(emb_v8*)(o[2] + v) += d2;
            *(emb_v8*)(o[3] + v) += d3; *(emb_v8*)(o[4] + v) += d4; *(emb_v8*)(o[5] + v) += d5;
        }
    }
}

/* The same for any number of targets. */
EMB_INLINE EMB_TARGET void EMB_LEVEL(emb_any)(float** x, int n, float** o, const float* on, int nt, int64_t dim, float rate,
                                              int flags, int doc_at, emb_v8* loss) {
    float g[EMB_ROWS][EMB_TARGETS];
    for (int c = 0; c < n; c++) {
        for (int b = 0; b < nt; b += 8) {
            emb_v8 all[8] = {{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}};
            for (int t = b; t < nt && t < b + 8; t++)
                for (int64_t v = 0; v < dim; v += 8) all[t - b] += *(const emb_v8*)(x[c] + v) * *(const emb_v8*)(o[t] + v);
            emb_v8 want = {0};
            if (b == 0) want[0] = 1;
            emb_v8 e = (want - EMB_LEVEL(emb_sigmoid)(EMB_LEVEL(emb_sums)(all))) * *(const emb_v8*)(on + b);
            *loss += e * e;
            *(emb_v8*)(g[c] + b) = e * rate;
        }
    }
    int outputs = flags & EMB_LEARN_OUTPUTS;
    int words = flags & EMB_LEARN_WORDS, docs = flags & EMB_LEARN_DOCS;
    for (int64_t v = 0; v < dim; v += 8) {
        emb_v8 d[EMB_TARGETS], ov[EMB_TARGETS];
        for (int t = 0; t < nt; t++) { d[t] = (emb_v8){0}; ov[t] = *(emb_v8*)(o[t] + v); }
        for (int c = 0; c < n; c++) {
            emb_v8 xv = *(emb_v8*)(x[c] + v), y = xv;
            for (int t = 0; t < nt; t++) { d[t] += xv * g[c][t]; y += ov[t] * g[c][t]; }
            if (c == doc_at ? docs : words) *(emb_v8*)(x[c] + v) = y;
        }
        if (outputs)
            for (int t = 0; t < nt; t++) *(emb_v8*)(o[t] + v) += d[t];
    }
}

EMB_INLINE EMB_TARGET void EMB_LEVEL(emb_window)(float** x, int n, float** o, const float* on, int nt, int64_t dim,
                                                 float rate, int flags, int doc_at, emb_v8* loss) {
    if (nt == 6) EMB_LEVEL(emb_six)(x, n, o, on, dim, rate, flags, doc_at, loss);
    else EMB_LEVEL(emb_any)(x, n, o, on, nt, dim, rate, flags, doc_at, loss);
}

EMB_INLINE EMB_TARGET void EMB_LEVEL(emb_compose)(const emb_job* j, int32_t word, float* now, float* then) {
    int64_t a = j->piece_starts[word], b = j->piece_starts[word + 1];
    memset(now, 0, (size_t)j->dim * 4);
    for (int64_t p = a; p < b; p++) {
        const float* row = j->inputs + (int64_t)j->pieces[p] * j->dim;
        if (p + 4 < b) __builtin_prefetch(j->inputs + (int64_t)j->pieces[p + 4] * j->dim);
        for (int64_t v = 0; v < j->dim; v += 8) *(emb_v8*)(now + v) += *(const emb_v8*)(row + v);
    }
    float share = 1.0f / (float)(b > a ? b - a : 1);
    for (int64_t v = 0; v < j->dim; v += 8) { *(emb_v8*)(now + v) *= share; *(emb_v8*)(then + v) = *(emb_v8*)(now + v); }
}

EMB_INLINE EMB_TARGET void EMB_LEVEL(emb_give)(emb_job* j, int32_t word, const float* now, const float* then) {
    for (int64_t p = j->piece_starts[word]; p < j->piece_starts[word + 1]; p++) {
        float* row = j->inputs + (int64_t)j->pieces[p] * j->dim;
        for (int64_t v = 0; v < j->dim; v += 8) *(emb_v8*)(row + v) += *(const emb_v8*)(now + v) - *(const emb_v8*)(then + v);
    }
}

EMB_INLINE void EMB_LEVEL(emb_draw)(const emb_job* j, uint64_t* s, int32_t word, float** o, float* on) {
    o[0] = j->outputs + (int64_t)word * j->dim;
    on[0] = 1;
    for (int t = 1; t <= j->k; t++) {
        int32_t w = j->negatives[(uint32_t)(emb_random(s) >> 20) & j->mask];
        o[t] = j->outputs + (int64_t)w * j->dim;
        on[t] = w == word ? 0.0f : 1.0f;
        for (int64_t q = 0; q < j->dim; q += 16) __builtin_prefetch(o[t] + q, 1);
    }
    for (int64_t q = 0; q < j->dim; q += 16) __builtin_prefetch(o[0] + q, 1);
}

static EMB_TARGET int EMB_LEVEL(emb_run)(emb_job* j) {
    int32_t sentence[EMB_SENTENCE];
    float on[2][EMB_TARGETS] __attribute__((aligned(32)));
    float *o[2][EMB_TARGETS], *x[EMB_ROWS];
    memset(on, 0, sizeof on);
    uint64_t s = j->seed * 0x9E3779B97F4A7C15ULL + 1;
    if (s == 0) s = 1;
    const int64_t dim = j->dim;
    const int nt = j->k + 1, w = j->window, slots = 2 * w + 1, mean = j->flags & EMB_MEAN;
    const int words = j->flags & EMB_WORDS, has_pieces = j->piece_starts != NULL && words;
    float* work = aligned_alloc(64, ((size_t)(2 * slots + 2) * (size_t)dim * 4 + 63) / 64 * 64);
    if (work == NULL) return -1;
    float *now = work, *then = work + (int64_t)slots * dim, *h = then + (int64_t)slots * dim, *h0 = h + dim;
    emb_v8 loss = {0};
    int64_t pos = 0, doc = -1;
    while (pos < j->n) {
        int n = 0;
        float rate = j->rate0 + (j->rate1 - j->rate0) * ((float)pos / (float)j->n);
        int64_t next_doc = doc;
        while (pos < j->n && n < EMB_SENTENCE) {
            int32_t word = j->corpus[pos++];
            if (word < 0) {
                if (word < -1) next_doc = -2 - (int64_t)word;
                break;
            }
            j->words++;
            float keep = j->keep[word];
            if (keep < 1 && (float)(emb_random(&s) >> 40) * (1.0f / 16777216) > keep) continue;
            sentence[n++] = word;
        }
        float* doc_row = doc >= 0 && j->docs != NULL ? j->docs + doc * dim : NULL;
        if (n) EMB_LEVEL(emb_draw)(j, &s, sentence[0], o[0], on[0]);
        if (has_pieces)
            for (int i = 0; i < n && i < w; i++)
                EMB_LEVEL(emb_compose)(j, sentence[i], now + (i % slots) * dim, then + (i % slots) * dim);
        for (int i = 0; i < n; i++) {
            int at = i & 1, b = 1 + (int)((emb_random(&s) >> 33) % (uint64_t)w), c = 0, doc_at = -1;
            if (has_pieces) {
                if (i > w)
                    if (j->flags & EMB_LEARN_WORDS)
                        EMB_LEVEL(emb_give)(j, sentence[i - w - 1], now + ((i - w - 1) % slots) * dim, then + ((i - w - 1) % slots) * dim);
                if (i + w < n)
                    EMB_LEVEL(emb_compose)(j, sentence[i + w], now + ((i + w) % slots) * dim, then + ((i + w) % slots) * dim);
            } else if (words && i + w + 1 < n) {
                const float* row = j->inputs + (int64_t)sentence[i + w + 1] * dim;
                for (int64_t q = 0; q < dim; q += 16) __builtin_prefetch(row + q, 1);
            }
            if (words) {
                int low = i - b < 0 ? 0 : i - b, high = i + b >= n ? n - 1 : i + b;
                for (int p = low; p <= high; p++)
                    if (p != i) x[c++] = has_pieces ? now + (p % slots) * dim : j->inputs + (int64_t)sentence[p] * dim;
            }
            if (doc_row != NULL) { doc_at = c; x[c++] = doc_row; }
            if (i + 1 < n) EMB_LEVEL(emb_draw)(j, &s, sentence[i + 1], o[1 - at], on[1 - at]);
            if (c == 0) continue;
            if (!mean) {
                EMB_LEVEL(emb_window)(x, c, o[at], on[at], nt, dim, rate, j->flags, doc_at, &loss);
                j->pairs += c;
                continue;
            }
            float share = 1.0f / (float)c;
            for (int64_t v = 0; v < dim; v += 8) {
                emb_v8 sum = {0};
                for (int r = 0; r < c; r++) sum += *(emb_v8*)(x[r] + v);
                *(emb_v8*)(h + v) = *(emb_v8*)(h0 + v) = sum * share;
            }
            float* one = h;
            EMB_LEVEL(emb_window)(&one, 1, o[at], on[at], nt, dim, rate, j->flags | EMB_LEARN_WORDS, -1, &loss);
            j->pairs++;
            for (int r = 0; r < c; r++)
                if (j->flags & (r == doc_at ? EMB_LEARN_DOCS : EMB_LEARN_WORDS))
                    for (int64_t v = 0; v < dim; v += 8) *(emb_v8*)(x[r] + v) += *(emb_v8*)(h + v) - *(emb_v8*)(h0 + v);
        }
        if (has_pieces && (j->flags & EMB_LEARN_WORDS))
            for (int i = n > w + 1 ? n - w - 1 : 0; i < n; i++)
                EMB_LEVEL(emb_give)(j, sentence[i], now + (i % slots) * dim, then + (i % slots) * dim);
        doc = next_doc;
    }
    for (int t = 0; t < 8; t++) j->loss += loss[t];
    free(work);
    return 0;
}
#endif
