// sample_stories writes stories drawn from a llama2.c checkpoint: the training
// text of testdata/tinystories-qwen2. One process is one thread; run several
// with different seeds.
//
//	gcc -O3 -march=native -ffast-math -o sample_stories sample_stories.c -lm
//	./sample_stories -model stories260K.bin -tok tok512.bin -seed 1 -bytes 60000000 -out s1.txt
//	./sample_stories -model … -tok … -greedy "The dog" -n 128     # check against the goldens
//
// LANES stories advance in lockstep. Matrix products run with one vector lane
// per story; attention runs story by story, vectorised over positions, so a
// short story never pays for a long one. A lane restarts as soon as its story
// ends, with a new temperature from [tmin, tmax].
//
// A record is the story followed by a line "<|endoftext|>". A story is kept
// when the model ended it by itself (BOS or EOS within seq_len), it begins with
// a capital letter or an opening quote, it ends with closing punctuation, it is
// plain ASCII, has at least 120 bytes, and was not written before.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VEC = 16, NV = 2, LANES = VEC * NV, MAXSEQ = 512, MAXTOK = 64 };

typedef float v16 __attribute__((vector_size(64)));
typedef int32_t i16v __attribute__((vector_size(64)));

typedef struct {
	int dim, hidden, layers, heads, kvHeads, vocab, seqLen;
} Config;

typedef struct {
	float *emb;           // [vocab, dim], also the classifier
	float *rmsAtt;        // [layers, dim]
	float *wq;            // [layers, dim, dim]
	float *wk, *wv;       // [layers, kvDim, dim]
	float *wo;            // [layers, dim, dim]
	float *rmsFFN;        // [layers, dim]
	float *w1, *w2, *w3;  // [layers, hidden, dim], [layers, dim, hidden], [layers, hidden, dim]
	float *rmsFinal;      // [dim]
	float *ropeCos, *ropeSin; // [seqLen, headSize/2]
} Weights;

static Config cfg;
static Weights w;
static int kvDim, headSize;

static char **pieces; // [vocab]
static float *scores; // [vocab]

// Activations, [rows][NV] vectors: element (row, story) is row-major by story.
static v16 *x, *xb, *q, *kk, *vv, *h1, *h2, *logits;
// kcache, vcache: [LANES][layers][kvDim][MAXSEQ], positions contiguous.
static float *kcache, *vcache;

static void die(const char *what) {
	fprintf(stderr, "sample_stories: error: %s\n", what);
	exit(1);
}

static void *alloc(size_t n) {
	void *p = aligned_alloc(64, (n + 63) / 64 * 64);
	if (!p) die("out of memory");
	memset(p, 0, (n + 63) / 64 * 64);
	return p;
}

static v16 splat(float f) { return (v16){} + f; }

// pick returns a where mask is set, b elsewhere (C has no vector ?:).
static inline v16 pick(i16v mask, v16 a, v16 b) { return (v16)(((i16v)a & mask) | ((i16v)b & ~mask)); }

// vexp returns e^x, relative error below 1e-6, for x in [-87, 87].
static inline v16 vexp(v16 a) {
	const float magic = 12582912.f; // 1.5 * 2^23: adding it rounds to an integer
	v16 lo = splat(-87.f);
	a = pick(a < lo, lo, a);
	v16 t = a * 1.44269504f + magic;
	i16v n = (i16v)t - 0x4B400000;
	v16 r = a - __builtin_convertvector(n, v16) * 0.693359375f;
	r = r - __builtin_convertvector(n, v16) * -2.12194440e-4f;
	v16 p = splat(1.9875691500e-4f);
	p = p * r + 1.3981999507e-3f;
	p = p * r + 8.3334519073e-3f;
	p = p * r + 4.1665795894e-2f;
	p = p * r + 1.6666665459e-1f;
	p = p * r + 5.0000001201e-1f;
	p = p * r * r + r + 1.f;
	return p * (v16)((n + 127) << 23);
}

static void loadModel(const char *path) {
	FILE *f = fopen(path, "rb");
	if (!f) die("cannot open the model");
	if (fread(&cfg, sizeof cfg, 1, f) != 1) die("short model header");
	if (cfg.vocab < 0) die("checkpoint with a separate classifier");
	if (cfg.seqLen > MAXSEQ) die("seq_len over 512");
	headSize = cfg.dim / cfg.heads;
	kvDim = headSize * cfg.kvHeads;
	size_t d = cfg.dim, L = cfg.layers, h = cfg.hidden;
	size_t sizes[] = {cfg.vocab * d, L * d, L * d * d, L * kvDim * d, L * kvDim * d, L * d * d, L * d,
		L * h * d, L * d * h, L * h * d, d, (size_t)cfg.seqLen * headSize / 2, (size_t)cfg.seqLen * headSize / 2};
	float **at[] = {&w.emb, &w.rmsAtt, &w.wq, &w.wk, &w.wv, &w.wo, &w.rmsFFN,
		&w.w1, &w.w2, &w.w3, &w.rmsFinal, &w.ropeCos, &w.ropeSin};
	for (int i = 0; i < 13; i++) {
		*at[i] = alloc(sizes[i] * 4);
		if (fread(*at[i], 4, sizes[i], f) != sizes[i]) die("short model");
	}
	fclose(f);
}

static void loadTokens(const char *path) {
	FILE *f = fopen(path, "rb");
	int maxLen, n;
	if (!f || fread(&maxLen, 4, 1, f) != 1) die("cannot read the token file");
	pieces = alloc(cfg.vocab * sizeof *pieces);
	scores = alloc(cfg.vocab * sizeof *scores);
	for (int i = 0; i < cfg.vocab; i++) {
		if (fread(&scores[i], 4, 1, f) != 1 || fread(&n, 4, 1, f) != 1 || n < 0 || n > maxLen + 8) die("bad token file");
		pieces[i] = alloc(n + 1);
		if (n && fread(pieces[i], n, 1, f) != 1) die("short token file");
	}
	fclose(f);
}

static int lookup(const char *s) {
	for (int i = 3; i < cfg.vocab; i++)
		if (!strcmp(pieces[i], s)) return i;
	return -1;
}

// encode writes BOS and the tokens of ASCII text s, merged by best score.
static int encode(const char *s, int *out) {
	int n = 0;
	char buf[256];
	out[n++] = 1;
	if (!*s) return n;
	out[n++] = lookup(" ");
	for (; *s; s++) {
		buf[0] = *s, buf[1] = 0;
		int id = lookup(buf);
		out[n++] = id >= 0 ? id : (unsigned char)*s + 3;
		if (n == MAXTOK) die("opening too long");
	}
	for (;;) {
		float best = -1e10f;
		int at = -1, id = -1;
		for (int i = 1; i + 1 < n; i++) {
			snprintf(buf, sizeof buf, "%s%s", pieces[out[i]], pieces[out[i + 1]]);
			int j = lookup(buf);
			if (j >= 0 && scores[j] > best) best = scores[j], at = i, id = j;
		}
		if (at < 0) return n;
		out[at] = id;
		memmove(out + at + 1, out + at + 2, (n - at - 2) * sizeof *out);
		n--;
	}
}

// matmul: out[r] = sum_k m[r, k] * in[k], every story at once. m: [rows, n].
static void matmul(v16 *restrict out, const float *restrict m, const v16 *restrict in, int rows, int n) {
	for (int r = 0; r < rows; r += 4) { // every row count here is a multiple of 4
		v16 a[4][NV] = {};
		for (int k = 0; k < n; k++)
			for (int i = 0; i < 4; i++)
				for (int j = 0; j < NV; j++) a[i][j] += m[(r + i) * n + k] * in[k * NV + j];
		for (int i = 0; i < 4; i++)
			for (int j = 0; j < NV; j++) out[(r + i) * NV + j] = a[i][j];
	}
}

static void rmsnorm(v16 *out, const v16 *in, const float *g) {
	for (int j = 0; j < NV; j++) {
		v16 ss = {};
		for (int i = 0; i < cfg.dim; i++) ss += in[i * NV + j] * in[i * NV + j];
		ss = ss / (float)cfg.dim + 1e-5f;
		for (int l = 0; l < VEC; l++) ss[l] = 1.f / sqrtf(ss[l]);
		for (int i = 0; i < cfg.dim; i++) out[i * NV + j] = in[i * NV + j] * ss * g[i];
	}
}

// attend computes one story's attention at position pos for layer l.
static void attend(int lane, int l, int pos) {
	const float *K = kcache + ((size_t)lane * cfg.layers + l) * kvDim * MAXSEQ;
	const float *V = vcache + ((size_t)lane * cfg.layers + l) * kvDim * MAXSEQ;
	const float *qf = (const float *)q;
	float *of = (float *)xb;
	int nv = pos / VEC + 1, group = cfg.heads / cfg.kvHeads;
	v16 att[MAXSEQ / VEC];
	i16v lane0 = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	float scale = 1.f / sqrtf(headSize);
	for (int h = 0; h < cfg.heads; h++) {
		const v16 *Kh = (const v16 *)(K + (size_t)(h / group) * headSize * MAXSEQ);
		const v16 *Vh = (const v16 *)(V + (size_t)(h / group) * headSize * MAXSEQ);
		v16 top = splat(-1e30f);
		for (int t = 0; t < nv; t++) {
			v16 s = {};
			for (int d = 0; d < 8; d++) s += qf[(h * 8 + d) * LANES + lane] * scale * Kh[d * (MAXSEQ / VEC) + t];
			i16v at = lane0 + t * VEC;
			s = pick(at <= pos, s, splat(-1e30f));
			top = pick(s > top, s, top);
			att[t] = s;
		}
		float m = -1e30f, sum = 0;
		for (int i = 0; i < VEC; i++) m = top[i] > m ? top[i] : m;
		v16 vs = {}, acc[8] = {};
		for (int t = 0; t < nv; t++) {
			i16v at = lane0 + t * VEC;
			v16 p = pick(at <= pos, vexp(att[t] - m), (v16){});
			vs += p;
			for (int d = 0; d < 8; d++) acc[d] += p * Vh[d * (MAXSEQ / VEC) + t];
		}
		for (int i = 0; i < VEC; i++) sum += vs[i];
		for (int d = 0; d < 8; d++) {
			float o = 0;
			for (int i = 0; i < VEC; i++) o += acc[d][i];
			of[(h * 8 + d) * LANES + lane] = o / sum;
		}
	}
}

static void rope(float *v, int rows, int lane, int pos) {
	for (int i = 0; i < rows; i += 2) {
		int f = (i % headSize) / 2;
		float c = w.ropeCos[pos * headSize / 2 + f], s = w.ropeSin[pos * headSize / 2 + f];
		float a = v[i * LANES + lane], b = v[(i + 1) * LANES + lane];
		v[i * LANES + lane] = a * c - b * s;
		v[(i + 1) * LANES + lane] = a * s + b * c;
	}
}

// forward runs one token of each story; logits: [vocab] rows.
static void forward(const int *tok, const int *pos) {
	int d = cfg.dim;
	float *xf = (float *)x, *kf = (float *)kk, *vf = (float *)vv;
	for (int l = 0; l < LANES; l++)
		for (int i = 0; i < d; i++) xf[i * LANES + l] = w.emb[tok[l] * d + i];
	for (int l = 0; l < cfg.layers; l++) {
		rmsnorm(xb, x, w.rmsAtt + l * d);
		matmul(q, w.wq + (size_t)l * d * d, xb, d, d);
		matmul(kk, w.wk + (size_t)l * kvDim * d, xb, kvDim, d);
		matmul(vv, w.wv + (size_t)l * kvDim * d, xb, kvDim, d);
		for (int s = 0; s < LANES; s++) {
			rope((float *)q, d, s, pos[s]);
			rope(kf, kvDim, s, pos[s]);
			size_t base = ((size_t)s * cfg.layers + l) * kvDim * MAXSEQ + pos[s];
			for (int i = 0; i < kvDim; i++) {
				kcache[base + (size_t)i * MAXSEQ] = kf[i * LANES + s];
				vcache[base + (size_t)i * MAXSEQ] = vf[i * LANES + s];
			}
			attend(s, l, pos[s]);
		}
		matmul(q, w.wo + (size_t)l * d * d, xb, d, d);
		for (int i = 0; i < d * NV; i++) x[i] += q[i];
		rmsnorm(xb, x, w.rmsFFN + l * d);
		matmul(h1, w.w1 + (size_t)l * cfg.hidden * d, xb, cfg.hidden, d);
		matmul(h2, w.w3 + (size_t)l * cfg.hidden * d, xb, cfg.hidden, d);
		for (int i = 0; i < cfg.hidden * NV; i++) h1[i] = h1[i] / (1.f + vexp(-h1[i])) * h2[i];
		matmul(q, w.w2 + (size_t)l * d * cfg.hidden, h1, d, cfg.hidden);
		for (int i = 0; i < d * NV; i++) x[i] += q[i];
	}
	rmsnorm(xb, x, w.rmsFinal);
	matmul(logits, w.emb, xb, cfg.vocab, d);
}

static uint64_t rngState;

// rnd returns a number in [0, 1) (xorshift64*).
static float rnd(void) {
	rngState ^= rngState >> 12, rngState ^= rngState << 25, rngState ^= rngState >> 27;
	return ((rngState * 0x2545F4914F6CDD1Dull) >> 40) / 16777216.f;
}

// draw samples a token per story at its temperature from the whole distribution.
static void draw(const float *temp, int *out) {
	for (int j = 0; j < NV; j++) {
		v16 top = splat(-1e30f), inv, u, sum = {}, c = {};
		i16v n = {};
		for (int i = 0; i < VEC; i++) inv[i] = 1.f / temp[j * VEC + i];
		for (int t = 0; t < cfg.vocab; t++) top = pick(logits[t * NV + j] > top, logits[t * NV + j], top);
		for (int t = 0; t < cfg.vocab; t++) {
			logits[t * NV + j] = vexp((logits[t * NV + j] - top) * inv);
			sum += logits[t * NV + j];
		}
		for (int i = 0; i < VEC; i++) u[i] = rnd() * sum[i];
		for (int t = 0; t < cfg.vocab; t++) {
			c += logits[t * NV + j];
			n -= c <= u; // a true lane is -1
		}
		for (int i = 0; i < VEC; i++) out[j * VEC + i] = n[i] < cfg.vocab ? n[i] : cfg.vocab - 1;
	}
}

// Openings for the part of the stories that must not begin "Once upon a time":
// the model chooses everything after them.
static const char *openings[] = {"The", "The dog", "The cat", "The little", "The big", "The bird", "The boy", "The girl",
	"Lily", "Lily had", "Lily was", "Lily and", "Tom", "Tom and", "Tom had", "Tim", "Tim had", "Tim and", "Ben and", "Ben",
	"Sam", "Sam had", "Mia", "Sara and", "Sara", "Anna", "Anna and", "Max", "Max was", "Jack", "Jack and", "Lucy",
	"Sue", "Sue had", "Bob", "Mom", "Mom and", "A", "A little", "A big", "There was", "One", "One day", "Two", "It was",
	"In the", "On a", "My", "Every", "Today", "At the", "Once there", "Long ago", "Jane", "John", "Amy", "Spot", "Daddy",
	"Mummy", "Grandma"};
enum { NOPEN = sizeof openings / sizeof *openings };
static int openTok[NOPEN][MAXTOK], openLen[NOPEN];

typedef struct {
	char text[8192];
	int len, pos, tok, force, nforce; // force: index into openTok, or -1
	float temp;
} Story;

static double openShare = 0.3, tmin = 0.5, tmax = 0.7;

static void begin(Story *s) {
	s->len = s->pos = 0;
	s->tok = 1;
	s->force = rnd() < openShare ? (int)(rnd() * NOPEN) : -1;
	s->nforce = 1;
	s->temp = tmin + (tmax - tmin) * rnd();
}

static void append(Story *s, int prev, int tok) {
	const char *p = pieces[tok];
	unsigned char raw[2] = {0, 0};
	unsigned int b;
	if (prev == 1 && *p == ' ') p++;
	if (sscanf(p, "<0x%02X>", &b) == 1) raw[0] = b, p = (char *)raw;
	int n = strlen(p);
	if (s->len + n < (int)sizeof s->text) memcpy(s->text + s->len, p, n), s->len += n;
}

static uint64_t *seen;
static size_t seenCap = 1 << 21;

// keep reports whether the finished story is worth a record, and trims it.
static int keep(Story *s) {
	char *t = s->text;
	while (s->len && (t[s->len - 1] == ' ' || t[s->len - 1] == '\n')) s->len--;
	if (s->len < 120) return 0;
	int c = *t == '"' ? t[1] : *t;
	if (c < 'A' || c > 'Z') return 0;
	if (!strchr(".!?\"", t[s->len - 1])) return 0;
	uint64_t h = 1469598103934665603ull;
	for (int i = 0; i < s->len; i++) {
		if ((t[i] < ' ' && t[i] != '\n') || t[i] > '~') return 0;
		h = (h ^ (unsigned char)t[i]) * 1099511628211ull;
	}
	if (!h) h = 1;
	size_t i = h & (seenCap - 1);
	for (; seen[i]; i = (i + 1) & (seenCap - 1))
		if (seen[i] == h) return 0;
	seen[i] = h;
	return 1;
}

static void greedy(const char *prompt, int n) {
	int in[MAXTOK], m = encode(prompt, in), tok[LANES], pos[LANES];
	static Story s;
	s.len = 0;
	int cur = in[0];
	for (int p = 0; p < n; p++) {
		for (int l = 0; l < LANES; l++) tok[l] = cur, pos[l] = p;
		forward(tok, pos);
		int next = 0, lane = p % LANES; // a different lane each step: all must agree
		for (int t = 1; t < cfg.vocab; t++)
			if (((float *)logits)[t * LANES + lane] > ((float *)logits)[next * LANES + lane]) next = t;
		if (p + 1 < m) next = in[p + 1];
		if (next == 1) break;
		append(&s, cur, next);
		cur = next;
	}
	printf("%.*s\n", s.len, s.text);
}

int main(int argc, char **argv) {
	const char *model = 0, *tokens = 0, *out = 0, *prompt = 0;
	long seed = 1, want = 0, maxSeconds = 0;
	int n = 128;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "-model")) model = argv[i + 1];
		else if (!strcmp(argv[i], "-tok")) tokens = argv[i + 1];
		else if (!strcmp(argv[i], "-out")) out = argv[i + 1];
		else if (!strcmp(argv[i], "-greedy")) prompt = argv[i + 1];
		else if (!strcmp(argv[i], "-n")) n = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "-seed")) seed = atol(argv[i + 1]);
		else if (!strcmp(argv[i], "-bytes")) want = atol(argv[i + 1]);
		else if (!strcmp(argv[i], "-seconds")) maxSeconds = atol(argv[i + 1]);
		else if (!strcmp(argv[i], "-tmin")) tmin = atof(argv[i + 1]);
		else if (!strcmp(argv[i], "-tmax")) tmax = atof(argv[i + 1]);
		else if (!strcmp(argv[i], "-openings")) openShare = atof(argv[i + 1]);
		else die("unknown flag");
	}
	if (!model || !tokens || (!prompt && !out)) die("need -model, -tok and -out or -greedy");
	loadModel(model);
	loadTokens(tokens);
	if (headSize != 8 || cfg.hidden % 4) die("built for head size 8 and rows in fours");
	size_t row = LANES * sizeof(float);
	x = alloc(cfg.dim * row), xb = alloc(cfg.dim * row), q = alloc(cfg.dim * row);
	kk = alloc(kvDim * row), vv = alloc(kvDim * row);
	h1 = alloc(cfg.hidden * row), h2 = alloc(cfg.hidden * row), logits = alloc(cfg.vocab * row);
	kcache = alloc((size_t)LANES * cfg.layers * kvDim * MAXSEQ * 4);
	vcache = alloc((size_t)LANES * cfg.layers * kvDim * MAXSEQ * 4);
	if (prompt) return greedy(prompt, n), 0;

	FILE *f = fopen(out, "wb");
	if (!f) die("cannot create the output");
	rngState = 0x9E3779B97F4A7C15ull * (uint64_t)(seed + 1);
	for (int i = 0; i < 16; i++) rnd();
	seen = alloc(seenCap * 8);
	for (int i = 0; i < NOPEN; i++) openLen[i] = encode(openings[i], openTok[i]);
	static Story s[LANES];
	int tok[LANES], pos[LANES], next[LANES];
	float temp[LANES];
	long steps = 0, written = 0, kept = 0, ended = 0, cut = 0;
	struct timespec t0, t1;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (int l = 0; l < LANES; l++) begin(&s[l]);
	while (written < want && kept < (long)seenCap / 2) {
		for (int l = 0; l < LANES; l++) tok[l] = s[l].tok, pos[l] = s[l].pos, temp[l] = s[l].temp;
		forward(tok, pos);
		draw(temp, next);
		for (int l = 0; l < LANES; l++) {
			Story *p = &s[l];
			int t = next[l];
			if (p->force >= 0 && p->nforce < openLen[p->force]) t = openTok[p->force][p->nforce++];
			if (t == 1 || t == 2) {
				ended++;
				if (keep(p)) {
					fwrite(p->text, 1, p->len, f);
					fputs("\n<|endoftext|>\n", f);
					written += p->len, kept++;
				}
				begin(p);
				continue;
			}
			append(p, p->tok, t);
			p->tok = t;
			if (++p->pos >= cfg.seqLen) cut++, begin(p);
		}
		if (++steps % 20000 == 0) {
			clock_gettime(CLOCK_MONOTONIC, &t1);
			double sec = t1.tv_sec - t0.tv_sec + (t1.tv_nsec - t0.tv_nsec) / 1e9;
			fprintf(stderr, "%.0f s, %ld tokens, %.0f tokens/s, %ld ended, %ld cut, %ld kept, %ld bytes\n",
				sec, steps * LANES, steps * LANES / sec, ended, cut, kept, written);
			if (maxSeconds && sec > maxSeconds) break;
		}
	}
	fprintf(stderr, "%ld tokens, %ld stories kept, %ld bytes\n", steps * LANES, kept, written);
	return fclose(f) ? 1 : 0;
}
