/* Linear models over hashed features: scores of a bag, and a step of training. What `linear.py` defines.

   A row of weights belongs to a column of the features: its weight in texts (idf), then a weight an output, filled up to
   a multiple of four. So what a feature needs lies in one or two lines of the cache, which are asked for ahead. */

#ifndef SALIENT_LINEAR_H
#define SALIENT_LINEAR_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#include "terms.h"

typedef float salient_v4 __attribute__((vector_size(16), aligned(4), may_alias));

enum { SALIENT_HINGE, SALIENT_LOG, SALIENT_PASSIVE };

typedef struct {
    float *rows, *sums;      /* weights, and what they add up to over the steps that are averaged */
    const float *prior;      /* how fast each weight learns, or NULL */
    int64_t *last;           /* the step at which a row was last seen to */
    float *bias, *bias_sums; /* (stride,), as rows are */
    int64_t stride, step, average_from;
    int32_t outputs, loss;
    float rate, decay, l1, l2, most;
} salient_model;

static float salient_logs[128]; /* of counts from -63 to 63, with their signs */

static void salient_logs_made(void)
{
    for (int i = 1; i < 64; i++) {
        salient_logs[63 + i] = 1.0f + logf((float)i);
        salient_logs[63 - i] = -salient_logs[63 + i];
    }
}

static inline float salient_tf(int32_t count)
{
    if ((uint32_t)count + 63 < 127)
        return salient_logs[(uint32_t)count + 63];
    return count < 0 ? -1.0f - logf(-(float)count) : 1.0f + logf((float)count);
}

/* Columns become places among those that are held: as many rows lie before each. Counting bits is an instruction on all
   but the oldest machines. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__POPCNT__)
__attribute__((target_clones("default", "popcnt")))
#endif
static void salient_placed(uint32_t *columns, int64_t n, const uint64_t *held, const int32_t *before)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t word = columns[i] >> 6;
        columns[i] = before[word] + __builtin_popcountll(held[word] & ((1ULL << (columns[i] & 63)) - 1));
    }
}

/* A text's first lines of the cache; the machine sees by itself that others follow. */
static inline void salient_text_asked(const uint8_t *text, int64_t n)
{
    for (int64_t at = 0; at < n && at < 512; at += 64)
        __builtin_prefetch(text + at);
}

/* Rows are asked for before they are needed. */
static inline void salient_asked(const uint32_t *columns, int64_t n, const float *rows, int64_t stride)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t at = 0; at < stride && at < 64; at += 16)
            __builtin_prefetch(rows + (int64_t)columns[i] * stride + at);
}

/* out[stride] = the products of a bag's weights with rows; lane 0 is of no meaning. Returns 1 / the bag's length. */
static inline float salient_products(const uint32_t *columns, const int32_t *counts, int64_t n, const float *rows,
                                     int64_t stride, float *out)
{
    float squares = 0;
    if (stride == 4 || stride == 8) {
        salient_v4 a = {0}, b = {0};
        for (int64_t i = 0; i < n; i++) {
            const float *row = rows + (int64_t)columns[i] * stride;
            float x = salient_tf(counts[i]) * row[0];
            squares += x * x;
            a += x * *(const salient_v4 *)row;
            if (stride == 8)
                b += x * *(const salient_v4 *)(row + 4);
        }
        *(salient_v4 *)out = a;
        if (stride == 8)
            *(salient_v4 *)(out + 4) = b;
    } else {
        memset(out, 0, stride * sizeof *out);
        for (int64_t i = 0; i < n; i++) {
            const float *row = rows + (int64_t)columns[i] * stride;
            float x = salient_tf(counts[i]) * row[0];
            squares += x * x;
            for (int64_t at = 0; at < stride; at += 4)
                *(salient_v4 *)(out + at) += x * *(const salient_v4 *)(row + at);
        }
    }
    return squares > 0 ? 1.0f / sqrtf(squares) : 0.0f;
}

/* Bring a row up to a step: what it adds to the sums, and what shrinks it meanwhile. */
static inline void salient_settled(salient_model *m, int64_t column, int64_t step)
{
    int64_t last = m->last[column], from = last > m->average_from ? last : m->average_from;
    if (last == step)
        return;
    float *row = m->rows + column * m->stride, *sum = m->sums + column * m->stride;
    if (step > from) {
        float times = (float)(step - from);
        for (int64_t at = 0; at < m->stride; at += 4)
            *(salient_v4 *)(sum + at) += times * *(salient_v4 *)(row + at);
    }
    if (m->l1 > 0 || m->l2 > 0) {
        float steps = (float)(step - last), kept = expf(-m->l2 * m->rate * steps), off = m->l1 * m->rate * steps;
        for (int64_t at = 1; at <= m->outputs; at++) {
            float w = row[at] * kept;
            row[at] = w > off ? w - off : w < -off ? w + off : 0.0f;
        }
    }
    m->last[column] = step;
}

/* The gradient of a text's scores, turned and weighted; whether there is one. `target` is the right output, or below 0
   where `labels` says of each whether it is. Adds the loss to `total`. */
static inline int salient_wrong(const salient_model *m, const float *scores, int32_t target, const uint8_t *labels,
                                float weight, float *gradient, double *total)
{
    int any = 0;
    gradient[0] = 0;
    if (m->loss == SALIENT_LOG && target >= 0 && m->outputs > 1) {
        float highest = scores[1], sum = 0;
        for (int32_t c = 2; c <= m->outputs; c++)
            highest = scores[c] > highest ? scores[c] : highest;
        for (int32_t c = 1; c <= m->outputs; c++)
            sum += gradient[c] = expf(scores[c] - highest);
        for (int32_t c = 1; c <= m->outputs; c++)
            gradient[c] = weight * ((c == target + 1) - gradient[c] / sum);
        *total += weight * (logf(sum) + highest - scores[target + 1]);
        return 1;
    }
    for (int32_t c = 1; c <= m->outputs; c++) {
        int right = target < 0 ? labels[c - 1] : m->outputs == 1 ? target == 1 : c == target + 1;
        float y = right ? 1.0f : -1.0f, margin = y * scores[c];
        if (m->loss == SALIENT_LOG) {
            float share = 1.0f / (1.0f + expf(margin));
            gradient[c] = weight * y * share;
            *total += weight * (margin > 0 ? log1pf(expf(-margin)) : log1pf(expf(margin)) - margin);
            any = 1;
        } else {
            float loss = margin < 1 ? 1 - margin : 0;
            if (m->loss == SALIENT_PASSIVE)
                gradient[c] = y * (loss < m->most * weight ? loss : m->most * weight);
            else
                gradient[c] = loss > 0 ? weight * y : 0.0f;
            *total += weight * loss;
            any |= loss > 0;
        }
    }
    return any;
}

/* One step on a text. `scores` and `gradient` have room for a row. */
static inline void salient_step(salient_model *m, const uint32_t *columns, const int32_t *counts, int64_t n,
                                int32_t target, const uint8_t *labels, float weight, float *scores, float *gradient,
                                double *total)
{
    int64_t step = ++m->step;
    salient_asked(columns, n, m->rows, m->stride);
    float scale = salient_products(columns, counts, n, m->rows, m->stride, scores);
    for (int64_t at = 0; at < m->stride; at++)
        scores[at] = scores[at] * scale + m->bias[at];
    for (int64_t at = m->outputs + 1; at < m->stride; at++)
        gradient[at] = 0;
    int any = salient_wrong(m, scores, target, labels, weight, gradient, total);
    float rate = m->loss == SALIENT_PASSIVE ? 1.0f : m->rate / (1.0f + m->decay * (float)step);
    if (any) {
        for (int64_t i = 0; i < n; i++) {
            int64_t column = columns[i];
            float *row = m->rows + column * m->stride;
            float x = salient_tf(counts[i]) * row[0] * scale * rate;
            salient_settled(m, column, step);
            if (m->prior) {
                const float *prior = m->prior + column * m->stride;
                for (int64_t at = 0; at < m->stride; at += 4)
                    *(salient_v4 *)(row + at) += x * *(salient_v4 *)(gradient + at) * *(const salient_v4 *)(prior + at);
            } else
                for (int64_t at = 0; at < m->stride; at += 4)
                    *(salient_v4 *)(row + at) += x * *(salient_v4 *)(gradient + at);
        }
        if (m->loss != SALIENT_PASSIVE)
            for (int64_t at = 1; at <= m->outputs; at++)
                m->bias[at] += rate * 0.1f * gradient[at];
    }
    if (step > m->average_from)
        for (int64_t at = 0; at < m->stride; at++)
            m->bias_sums[at] += m->bias[at];
}

#endif
