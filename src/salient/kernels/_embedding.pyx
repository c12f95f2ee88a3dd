# cython: language_level=3, boundscheck=False, wraparound=False
"""The compiled twin of embedding.py. Read that first: it says what this must do; embedding.h does it."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from salient.kernels.embedding import check

cdef extern from "embedding.h" nogil:
    ctypedef struct emb_job:
        const int32_t* corpus
        int64_t n
        float* inputs
        float* outputs
        float* docs
        int64_t dim
        const float* keep
        const int32_t* negatives
        uint32_t mask
        const int64_t* piece_starts
        const int32_t* pieces
        int window
        int k
        int flags
        float rate0
        float rate1
        uint64_t seed
        int64_t words
        double loss
        int64_t pairs
    int emb_train(emb_job*, int)

cdef int LEVEL = -1


def set_level(int level):
    """For tests: 0 is what every machine can, -1 the best that this one can."""
    global LEVEL
    LEVEL = level


def train_embeddings(
    const int32_t[::1] corpus, float[:, ::1] inputs, float[:, ::1] outputs, float[:, ::1] docs, const float[::1] keep,
    const int32_t[::1] negatives, const int64_t[::1] piece_starts, const int32_t[::1] pieces,
    int window, int k, int flags, float rate0, float rate1, seed,
):
    check(inputs, outputs, docs, negatives, window, k)
    cdef emb_job job
    job.corpus = &corpus[0] if corpus.shape[0] else NULL
    job.n = corpus.shape[0]
    job.inputs = &inputs[0, 0] if inputs.shape[0] else NULL
    job.outputs = &outputs[0, 0] if outputs.shape[0] else NULL
    job.docs = &docs[0, 0] if docs.shape[0] else NULL
    job.dim = inputs.shape[1]
    job.keep = &keep[0] if keep.shape[0] else NULL
    job.negatives = &negatives[0]
    job.mask = <uint32_t>(negatives.shape[0] - 1)
    job.piece_starts = &piece_starts[0] if piece_starts.shape[0] else NULL
    job.pieces = &pieces[0] if pieces.shape[0] else NULL
    job.window = window
    job.k = k
    job.flags = flags
    job.rate0 = rate0
    job.rate1 = rate1
    job.seed = <uint64_t>(seed & 0xFFFFFFFFFFFFFFFF)
    job.words = 0
    job.loss = 0
    job.pairs = 0
    cdef int wrong, level = LEVEL
    with nogil:
        wrong = emb_train(&job, level)
    if wrong:
        raise MemoryError
    return job.words, job.loss, job.pairs
