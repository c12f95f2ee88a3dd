/* Float32 kernels of the language engine's network: products, maxout with layer norm, minGRU, softmax.

   A row's result depends on that row alone, to the last bit, whatever stands beside it and however
   many rows there are: every output is summed over k in order, and a norm's sums have sixteen lanes
   and one way of folding them. So the width of the machine's vectors changes nothing either; only a
   machine that cannot multiply and add in one step rounds otherwise.

   Layers of weights are products of whole numbers of a byte: a row of inputs and an output's weights are each
   rounded to steps of their own. Four times the numbers fit in a vector, and the sums are exact. Inputs have
   seven bits and are moved above zero, so that two products of a byte stay within 16 bits, where AVX2 adds them.

   The file includes itself once a level: the same code, compiled for AVX-512, for AVX2 and for anything.
   Widths of layers are multiples of SALIENT_LANES.

   Source: register tiles over packed panels, Goto and van de Geijn 2008, doi:10.1145/1356052.1356053. */

#ifndef SALIENT_GEMM_H
#define SALIENT_GEMM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define SALIENT_PANEL 32 /* columns that are packed side by side */
#define SALIENT_LANES 16 /* of sums over a row */
#define SALIENT_EPSILON 1e-5f
#define SALIENT_STEPS 127    /* of an output's greatest weight */
#define SALIENT_MOST 63      /* steps of a row's greatest input */
#define SALIENT_ZERO 64      /* what stands for an input of 0 */
#define SALIENT_DEEPEST 1024 /* inputs of a layer */
#define SALIENT_ROWS 64      /* that are rounded at once */

typedef struct {
    /* c[m, 32 * panels] = a[m, k] times what `salient_pack` made. Rows of `a` may overlap. */
    void (*gemm)(const float *a, long lda, long m, long k, const float *packed, long panels, float *c, long ldc);
    /* The same with what `salient_pack_whole` made; k is a multiple of SALIENT_LANES, SALIENT_DEEPEST at most. */
    void (*gemm_whole)(const float *a, long lda, long m, long k, const int8_t *packed, const int32_t *zeros,
                       const float *scales, long panels, float *c, long ldc);
    /* out = norm(max(c[:width] + bias[:width], c[width:] + bias[width:])) (+ residual). `c` is written over. */
    void (*maxout_norm)(float *c, long ldc, long m, long width, const float *bias, const float *gain,
                        const float *shift, const float *residual, long ldr, float *out, long ldo);
    /* Of rows in place: x = norm(x) (+ residual). */
    void (*norm)(float *x, long ldx, long m, long width, const float *gain, const float *shift,
                 const float *residual, long ldr);
    /* c = sum of the three types' projections around each token, and of its context bits. A slot below 0 is
       the edge. A type's row is its vector, then its projections for the token after, itself, and before it. */
    void (*window)(const float *types, long ldt, const int32_t *slots, const uint16_t *bits, const float *bit_rows,
                   long m, long width, float *c);
    /* The recurrence of one direction over gates[m, 2 * width], from the last row to the first if `back`. */
    void (*mingru)(const float *gates, long ldg, long m, long width, const float *bias, int back, float *state,
                   float *out, long ldo);
    /* x = x + bias, and where that is below 0, `slope` of it. */
    void (*bias_leaky)(float *x, long ldx, long m, long width, const float *bias, float slope);
    /* The largest of each row's x[first:end], and its share of the softmax. */
    void (*best)(const float *x, long ldx, long m, long first, long end, int32_t *which, float *share, long ldw);
    /* The logarithm of the softmax of each row's x[:width], in place. */
    void (*log_softmax)(float *x, long ldx, long m, long width);
} salient_kernels;

/* Weights (n, k), a row an output, as panels of 32 outputs with k inside; outputs past n are zero. */
static inline void salient_pack(const float *w, long ldw, long n, long k, float *packed)
{
    for (long first = 0; first < n; first += SALIENT_PANEL) {
        long columns = n - first < SALIENT_PANEL ? n - first : SALIENT_PANEL;
        for (long at = 0; at < k; at++, packed += SALIENT_PANEL)
            for (long column = 0; column < SALIENT_PANEL; column++)
                packed[column] = column < columns ? w[(first + column) * ldw + at] : 0.0f;
    }
}

/* The same, in steps of each output's greatest weight: four of k side by side, what inputs of 0 add up to, turned, and
   what a step is worth. */
static inline void salient_pack_whole(const float *w, long ldw, long n, long k, int8_t *packed, int32_t *zeros,
                                      float *scales)
{
    for (long first = 0; first < n; first += SALIENT_PANEL, scales += SALIENT_PANEL, zeros += SALIENT_PANEL)
        for (long column = 0; column < SALIENT_PANEL; column++) {
            const float *from = w + (first + column) * ldw;
            int8_t *to = packed + first * k + 4 * column;
            float most = 0;
            if (first + column < n)
                for (long at = 0; at < k; at++)
                    most = fabsf(from[at]) > most ? fabsf(from[at]) : most;
            scales[column] = most / SALIENT_STEPS;
            zeros[column] = 0;
            for (long at = 0; at < k; at++) {
                int8_t whole = most > 0 ? (int8_t)lrintf(from[at] * (SALIENT_STEPS / most)) : 0;
                to[at / 4 * 4 * SALIENT_PANEL + at % 4] = whole;
                zeros[column] -= SALIENT_ZERO * whole;
            }
        }
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define SALIENT_X86 1
#endif

#define SALIENT_NAME(x) x##_portable
#define SALIENT_TARGET
#define LANES 4
#define TILE_ROWS 6
#define VMAX(a, b) ((V)((((a) > (b)) & (I)(a)) | (~((a) > (b)) & (I)(b))))
#define ADDED(sum, a, b) \
    ((sum) + ((a) & 255) * ((b) << 24 >> 24) + ((a) >> 8 & 255) * ((b) << 16 >> 24) + \
     ((a) >> 16 & 255) * ((b) << 8 >> 24) + ((a) >> 24) * ((b) >> 24))
#include "gemm.h"
#ifdef SALIENT_X86
#define SALIENT_NAME(x) x##_avx2
#define SALIENT_TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define TILE_ROWS 6
#define VMAX(a, b) ((V)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define ADDED(sum, a, b) \
    ((I)_mm256_add_epi32((__m256i)(sum), _mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)(a), (__m256i)(b)), \
                                                           _mm256_set1_epi16(1))))
#include "gemm.h"
#define SALIENT_NAME(x) x##_avx512
#define SALIENT_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,fma")))
#define LANES 16
#define TILE_ROWS 8
#define VMAX(a, b) ((V)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define ADDED(sum, a, b) ((I)_mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(a), (__m512i)(b)))
#include "gemm.h"
#endif

/* The levels that this machine has, slowest first; NULL past the last. */
static const salient_kernels *salient_level(int level)
{
#ifdef SALIENT_X86
    static const salient_kernels *const levels[] = {&kernels_portable, &kernels_avx2, &kernels_avx512};
    int best = 0;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        best = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512vnni") ? 2 : 1;
    return level >= 0 && level <= best ? levels[level] : NULL;
#else
    return level == 0 ? &kernels_portable : NULL;
#endif
}

#else /* the body, once a level */

#define V SALIENT_NAME(salient_v)
#define I SALIENT_NAME(salient_i)
#define U SALIENT_NAME(salient_u)
#define IU SALIENT_NAME(salient_iu)
#define B SALIENT_NAME(salient_b)
typedef float V __attribute__((vector_size(4 * LANES)));
typedef float U __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t I __attribute__((vector_size(4 * LANES)));
typedef int32_t IU __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint8_t B __attribute__((vector_size(LANES), aligned(1), may_alias));
#define LOAD(p) ((V)(*(const U *)(p)))
#define STORE(p, v) (*(U *)(p) = (v))
#define ALL(x) ((float)(x) - (V){0})
#define INLINE static inline __attribute__((always_inline)) SALIENT_TARGET
#define SUMS (SALIENT_LANES / LANES)

/* `rows` rows of two vectors' columns; constant where it is called, so the sums stay in registers. */
INLINE void SALIENT_NAME(tile)(const int rows, const float *a, long lda, long k, const float *b, float *c, long ldc)
{
    V sum[TILE_ROWS][2];
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
        sum[row][0] = sum[row][1] = ALL(0);
    for (long at = 0; at < k; at++) {
        V b0 = LOAD(b + at * SALIENT_PANEL), b1 = LOAD(b + at * SALIENT_PANEL + LANES);
#pragma GCC unroll 8
        for (int row = 0; row < rows; row++) {
            V each = ALL(a[row * lda + at]);
            sum[row][0] += each * b0;
            sum[row][1] += each * b1;
        }
    }
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++) {
        STORE(c + row * ldc, sum[row][0]);
        STORE(c + row * ldc + LANES, sum[row][1]);
    }
}

static SALIENT_TARGET void SALIENT_NAME(gemm)(const float *a, long lda, long m, long k, const float *packed,
                                              long panels, float *c, long ldc)
{
    for (long panel = 0; panel < panels; panel++, packed += k * SALIENT_PANEL)
        for (long part = 0; part < SALIENT_PANEL; part += 2 * LANES) {
            const float *b = packed + part;
            float *to = c + panel * SALIENT_PANEL + part;
            long row = 0;
            for (; row + TILE_ROWS <= m; row += TILE_ROWS)
                SALIENT_NAME(tile)(TILE_ROWS, a + row * lda, lda, k, b, to + row * ldc, ldc);
            a += row * lda;
            to += row * ldc;
            switch (m - row) {
#if TILE_ROWS > 6
            case 7: SALIENT_NAME(tile)(7, a, lda, k, b, to, ldc); break;
            case 6: SALIENT_NAME(tile)(6, a, lda, k, b, to, ldc); break;
#endif
            case 5: SALIENT_NAME(tile)(5, a, lda, k, b, to, ldc); break;
            case 4: SALIENT_NAME(tile)(4, a, lda, k, b, to, ldc); break;
            case 3: SALIENT_NAME(tile)(3, a, lda, k, b, to, ldc); break;
            case 2: SALIENT_NAME(tile)(2, a, lda, k, b, to, ldc); break;
            case 1: SALIENT_NAME(tile)(1, a, lda, k, b, to, ldc); break;
            }
            a -= row * lda;
        }
}

/* As `tile`, of whole numbers in fours; `steps` are what a row's and `scales` what a column's are worth. */
INLINE void SALIENT_NAME(tile_whole)(const int rows, const uint8_t *a, const float *steps, long k, const int8_t *b,
                                     const int32_t *zeros, const float *scales, float *c, long ldc)
{
    I sum[TILE_ROWS][2], zero0 = *(const IU *)zeros, zero1 = *(const IU *)(zeros + LANES);
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
        sum[row][0] = zero0, sum[row][1] = zero1;
    for (long at = 0; at < k; at += 4) {
        I b0 = *(const IU *)(b + at * SALIENT_PANEL), b1 = *(const IU *)(b + at * SALIENT_PANEL + 4 * LANES);
#pragma GCC unroll 8
        for (int row = 0; row < rows; row++) {
            int32_t four;
            memcpy(&four, a + row * k + at, sizeof four);
            I each = four - (I){0};
            sum[row][0] = ADDED(sum[row][0], each, b0);
            sum[row][1] = ADDED(sum[row][1], each, b1);
        }
    }
#pragma GCC unroll 8
    for (int row = 0; row < rows; row++)
        for (int half = 0; half < 2; half++)
            STORE(c + row * ldc + half * LANES,
                  __builtin_convertvector(sum[row][half], V) * (LOAD(scales + half * LANES) * ALL(steps[row])));
}

/* Rows in steps of each one's greatest value, moved above zero. */
INLINE void SALIENT_NAME(rounded)(const float *a, long lda, long m, long k, uint8_t *whole, float *steps)
{
    const float limit = SALIENT_MOST;
    for (long row = 0; row < m; row++, a += lda, whole += k) {
        V high = ALL(0);
        float lanes[LANES], greatest = 0;
        for (long at = 0; at < k; at += LANES) {
            V x = LOAD(a + at);
            high = VMAX(high, VMAX(x, -x));
        }
        STORE(lanes, high);
        for (int at = 0; at < LANES; at++)
            greatest = lanes[at] > greatest ? lanes[at] : greatest;
        steps[row] = greatest / limit;
        V times = ALL(greatest > 0 ? limit / greatest : 0);
        for (long at = 0; at < k; at += LANES) {
            V shifted = LOAD(a + at) * times + ALL(12582912.0f); /* rounds to whole numbers */
            *(B *)(whole + at) = __builtin_convertvector((I)shifted - (0x4b400000 - SALIENT_ZERO), B);
        }
    }
}

static SALIENT_TARGET void SALIENT_NAME(gemm_whole)(const float *a, long lda, long m, long k, const int8_t *packed,
                                                    const int32_t *zeros, const float *scales, long panels, float *c,
                                                    long ldc)
{
    uint8_t whole[SALIENT_ROWS * SALIENT_DEEPEST];
    float steps[SALIENT_ROWS];
    for (long first = 0; first < m; first += SALIENT_ROWS) {
        long size = m - first < SALIENT_ROWS ? m - first : SALIENT_ROWS;
        SALIENT_NAME(rounded)(a + first * lda, lda, size, k, whole, steps);
        for (long panel = 0; panel < panels; panel++)
            for (long part = 0; part < SALIENT_PANEL; part += 2 * LANES) {
                const int8_t *b = packed + panel * k * SALIENT_PANEL + 4 * part;
                const uint8_t *from = whole;
                const int32_t *zero = zeros + panel * SALIENT_PANEL + part;
                const float *scale = scales + panel * SALIENT_PANEL + part, *step = steps;
                float *to = c + first * ldc + panel * SALIENT_PANEL + part;
                long row = 0;
                for (; row + TILE_ROWS <= size; row += TILE_ROWS, from += TILE_ROWS * k, step += TILE_ROWS, to += TILE_ROWS * ldc)
                    SALIENT_NAME(tile_whole)(TILE_ROWS, from, step, k, b, zero, scale, to, ldc);
                switch (size - row) {
#if TILE_ROWS > 6
                case 7: SALIENT_NAME(tile_whole)(7, from, step, k, b, zero, scale, to, ldc); break;
                case 6: SALIENT_NAME(tile_whole)(6, from, step, k, b, zero, scale, to, ldc); break;
#endif
                case 5: SALIENT_NAME(tile_whole)(5, from, step, k, b, zero, scale, to, ldc); break;
                case 4: SALIENT_NAME(tile_whole)(4, from, step, k, b, zero, scale, to, ldc); break;
                case 3: SALIENT_NAME(tile_whole)(3, from, step, k, b, zero, scale, to, ldc); break;
                case 2: SALIENT_NAME(tile_whole)(2, from, step, k, b, zero, scale, to, ldc); break;
                case 1: SALIENT_NAME(tile_whole)(1, from, step, k, b, zero, scale, to, ldc); break;
                }
            }
    }
}

INLINE float SALIENT_NAME(folded)(const V *sums)
{
    float lanes[SALIENT_LANES];
    for (int at = 0; at < SUMS; at++)
        STORE(lanes + at * LANES, sums[at]);
    for (int half = SALIENT_LANES / 2; half; half /= 2)
        for (int at = 0; at < half; at++)
            lanes[at] += lanes[at + half];
    return lanes[0];
}

INLINE void SALIENT_NAME(norm_row)(const float *x, long width, const float *gain, const float *shift,
                                   const float *residual, float *out)
{
    V sums[SUMS];
    for (int s = 0; s < SUMS; s++)
        sums[s] = ALL(0);
    for (long at = 0; at < width; at += SALIENT_LANES)
        for (int s = 0; s < SUMS; s++)
            sums[s] += LOAD(x + at + s * LANES);
    V mean = ALL(SALIENT_NAME(folded)(sums) / (float)width);
    for (int s = 0; s < SUMS; s++)
        sums[s] = ALL(0);
    for (long at = 0; at < width; at += SALIENT_LANES)
        for (int s = 0; s < SUMS; s++) {
            V off = LOAD(x + at + s * LANES) - mean;
            sums[s] += off * off;
        }
    V scale = ALL(1.0f / sqrtf(SALIENT_NAME(folded)(sums) / (float)width + SALIENT_EPSILON));
    for (long at = 0; at < width; at += LANES) {
        V normed = (LOAD(x + at) - mean) * scale * LOAD(gain + at) + LOAD(shift + at);
        if (residual)
            normed += LOAD(residual + at);
        STORE(out + at, normed);
    }
}

static SALIENT_TARGET void SALIENT_NAME(maxout_norm)(float *c, long ldc, long m, long width, const float *bias,
                                                     const float *gain, const float *shift, const float *residual,
                                                     long ldr, float *out, long ldo)
{
    for (long row = 0; row < m; row++, c += ldc, out += ldo) {
        for (long at = 0; at < width; at += LANES)
            STORE(c + at, VMAX(LOAD(c + at) + LOAD(bias + at), LOAD(c + width + at) + LOAD(bias + width + at)));
        SALIENT_NAME(norm_row)(c, width, gain, shift, residual ? residual + row * ldr : 0, out);
    }
}

static SALIENT_TARGET void SALIENT_NAME(norm)(float *x, long ldx, long m, long width, const float *gain,
                                              const float *shift, const float *residual, long ldr)
{
    for (long row = 0; row < m; row++, x += ldx)
        SALIENT_NAME(norm_row)(x, width, gain, shift, residual ? residual + row * ldr : 0, x);
}

static SALIENT_TARGET void SALIENT_NAME(window)(const float *types, long ldt, const int32_t *slots,
                                                const uint16_t *bits, const float *bit_rows, long m, long width,
                                                float *c)
{
    for (long row = 0; row < m; row++, c += 2 * width) {
        const float *own = types + slots[row] * ldt + 3 * width;
        const float *before = slots[row - 1] < 0 ? 0 : types + slots[row - 1] * ldt + width;
        const float *after = slots[row + 1] < 0 ? 0 : types + slots[row + 1] * ldt + 5 * width;
        for (long at = 0; at < 2 * width; at += LANES) {
            V sum = LOAD(own + at);
            if (before)
                sum += LOAD(before + at);
            if (after)
                sum += LOAD(after + at);
            STORE(c + at, sum);
        }
        for (unsigned left = bits[row], bit = 0; left; left >>= 1, bit++)
            if (left & 1)
                for (long at = 0; at < 2 * width; at += LANES)
                    STORE(c + at, LOAD(c + at) + LOAD(bit_rows + bit * 2 * width + at));
    }
}

/* To 2 units in the last place; 0 and infinity are never reached, nor asked for. */
INLINE V SALIENT_NAME(exped)(V x)
{
    x = VMAX(x, ALL(-87.0f));
    x = -VMAX(-x, ALL(-88.0f));
    V shifted = x * ALL(1.44269504088896f) + ALL(12582912.0f); /* rounds to whole numbers */
    V whole = shifted - ALL(12582912.0f);
    V rest = x - whole * ALL(0.693359375f);
    rest = rest - whole * ALL(-2.12194440e-4f);
    V power = ALL(1.9875691500e-4f); /* Cephes' polynomial of e^x on +- ln(2) / 2 */
    power = power * rest + ALL(1.3981999507e-3f);
    power = power * rest + ALL(8.3334519073e-3f);
    power = power * rest + ALL(4.1665795894e-2f);
    power = power * rest + ALL(1.6666665459e-1f);
    power = power * rest + ALL(5.0000001201e-1f);
    power = power * (rest * rest) + rest + ALL(1.0f);
    I exponent = ((I)shifted << 23) + (127 << 23);
    return power * (V)exponent;
}

static SALIENT_TARGET void SALIENT_NAME(mingru)(const float *gates, long ldg, long m, long width, const float *bias,
                                                int back, float *state, float *out, long ldo)
{
    for (long step = 0; step < m; step++) {
        long row = back ? m - 1 - step : step;
        const float *g = gates + row * ldg;
        for (long at = 0; at < width; at += LANES) {
            V open = LOAD(g + at) + LOAD(bias + at);
            V share = ALL(1.0f) / (ALL(1.0f) + SALIENT_NAME(exped)(-open));
            V fresh = LOAD(g + width + at) + LOAD(bias + width + at);
            V held = LOAD(state + at);
            held += share * (fresh - held);
            STORE(state + at, held);
            STORE(out + row * ldo + at, held);
        }
    }
}

static SALIENT_TARGET void SALIENT_NAME(bias_leaky)(float *x, long ldx, long m, long width, const float *bias,
                                                    float slope)
{
    for (long row = 0; row < m; row++, x += ldx)
        for (long at = 0; at < width; at += LANES) {
            V sum = LOAD(x + at) + LOAD(bias + at);
            STORE(x + at, VMAX(sum, sum * ALL(slope)));
        }
}

INLINE float SALIENT_NAME(largest)(const float *x, long width)
{
    float lanes[LANES], best;
    V high = LOAD(x);
    for (long at = LANES; at < width; at += LANES)
        high = VMAX(high, LOAD(x + at));
    STORE(lanes, high);
    best = lanes[0];
    for (int at = 1; at < LANES; at++)
        best = lanes[at] > best ? lanes[at] : best;
    return best;
}

INLINE float SALIENT_NAME(total)(const float *x, long width, float high)
{
    V sums[SUMS];
    for (int s = 0; s < SUMS; s++)
        sums[s] = ALL(0);
    for (long at = 0; at < width; at += SALIENT_LANES)
        for (int s = 0; s < SUMS; s++)
            sums[s] += SALIENT_NAME(exped)(LOAD(x + at + s * LANES) - ALL(high));
    return SALIENT_NAME(folded)(sums);
}

static SALIENT_TARGET void SALIENT_NAME(best)(const float *x, long ldx, long m, long first, long end, int32_t *which,
                                              float *share, long ldw)
{
    for (long row = 0; row < m; row++, x += ldx, which += ldw, share += ldw) {
        float high = SALIENT_NAME(largest)(x + first, end - first);
        long at = first;
        while (at < end - 1 && x[at] != high)
            at++;
        *which = (int32_t)(at - first);
        *share = 1.0f / SALIENT_NAME(total)(x + first, end - first, high);
    }
}

static SALIENT_TARGET void SALIENT_NAME(log_softmax)(float *x, long ldx, long m, long width)
{
    for (long row = 0; row < m; row++, x += ldx) {
        float high = SALIENT_NAME(largest)(x, width);
        float least = high + logf(SALIENT_NAME(total)(x, width, high));
        for (long at = 0; at < width; at += LANES)
            STORE(x + at, LOAD(x + at) - ALL(least));
    }
}

static const salient_kernels SALIENT_NAME(kernels) = {
    SALIENT_NAME(gemm), SALIENT_NAME(gemm_whole), SALIENT_NAME(maxout_norm), SALIENT_NAME(norm), SALIENT_NAME(window), SALIENT_NAME(mingru),
    SALIENT_NAME(bias_leaky), SALIENT_NAME(best), SALIENT_NAME(log_softmax),
};

#undef V
#undef U
#undef I
#undef IU
#undef B
#undef ADDED
#undef LOAD
#undef STORE
#undef ALL
#undef INLINE
#undef SUMS
#undef VMAX
#undef LANES
#undef TILE_ROWS
#undef SALIENT_NAME
#undef SALIENT_TARGET

#endif
