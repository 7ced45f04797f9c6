/* Counts guest instructions exactly, by symbol: a TCG plugin for QEMU 7 and 8
 * (plugin API 1, declared here, so that no header is needed).
 *
 *   gcc -O2 -shared -fPIC -o insncount.so insncount.c
 *   qemu-aarch64 -cpu cortex-a76 -plugin ./insncount.so,out=FILE ./program
 *
 * Every translation block has a 64-bit counter that its code increments; at exit
 * a block's counter times its length goes to the symbol it begins in. Lines of
 * the output are "instructions symbol". The increment is not atomic: counts are
 * exact while one guest thread is busy. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *ptr, uint64_t imm);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum { ADD_U64 = 0, BUCKETS = 1 << 16 };

/* One translation block; the same code translated again finds its record. */
struct block {
	uint64_t pc, insns, runs;
	const char *symbol;
	struct block *next;
};

static struct block *blocks[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *path;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, 0);
	uint64_t pc = qemu_plugin_insn_vaddr(first), n = qemu_plugin_tb_n_insns(tb);
	struct block **bucket = &blocks[(pc >> 2) % BUCKETS], *b;

	pthread_mutex_lock(&lock);
	for (b = *bucket; b && (b->pc != pc || b->insns != n); b = b->next)
		;
	if (!b) {
		const char *s = qemu_plugin_insn_symbol(first);
		b = calloc(1, sizeof *b);
		b->pc = pc;
		b->insns = n;
		b->symbol = strdup(s && *s ? s : "?");
		b->next = *bucket;
		*bucket = b;
	}
	pthread_mutex_unlock(&lock);
	qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &b->runs, 1);
}

/* The reader adds the lines of one symbol up. */
static void finish(qemu_plugin_id_t id, void *unused)
{
	FILE *f = path ? fopen(path, "w") : stderr;

	if (!f) {
		perror(path);
		return;
	}
	for (int i = 0; i < BUCKETS; i++)
		for (struct block *b = blocks[i]; b; b = b->next)
			if (b->runs)
				fprintf(f, "%llu %s\n", (unsigned long long)(b->insns * b->runs), b->symbol);
	fclose(f);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			path = strdup(argv[i] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
