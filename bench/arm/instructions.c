// A plugin for qemu's user emulation: counts executed instructions by function, between the program's calls of
// `count_begins` and `count_ends` (bench/arm/forward_pass.cpp), and prints "COUNT SYMBOL" lines to the standard error.
//
//     cc -O2 -shared -fPIC bench/arm/instructions.c -o instructions.so
//     qemu-aarch64 -plugin ./instructions.so PROGRAM
//
// Blocks are counted as they run, inline; one thread only. (Debian's qemu-user has plugins, but not their header.)
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *),
                                          enum qemu_plugin_cb_flags, void *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);

int qemu_plugin_version = 1;

enum { places = 1 << 16 };
static struct {
    char *name;
    uint64_t count, before;
} symbols[places]; // a hash table
static int used;

static unsigned place_of(const char *name)
{
    uint32_t hash = 5381;
    for (const char *c = name; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    unsigned place = hash % places;
    while (symbols[place].name && strcmp(symbols[place].name, name) != 0)
        place = (place + 1) % places;
    if (!symbols[place].name) {
        symbols[place].name = strdup(name);
        if (++used > places / 2) {
            fputs("too many functions\n", stderr);
            exit(3);
        }
    }
    return place;
}

static void begins(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    for (int i = 0; i < places; i++)
        symbols[i].before = symbols[i].count;
}

static void ends(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    for (int i = 0; i < places; i++)
        if (symbols[i].count > symbols[i].before)
            fprintf(stderr, "%" PRIu64 " %s\n", symbols[i].count - symbols[i].before, symbols[i].name);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    (void)id;
    const char *name = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(block, 0));
    if (!name)
        name = "?";
    if (strcmp(name, "count_begins") == 0)
        qemu_plugin_register_vcpu_tb_exec_cb(block, begins, QEMU_PLUGIN_CB_NO_REGS, NULL);
    if (strcmp(name, "count_ends") == 0)
        qemu_plugin_register_vcpu_tb_exec_cb(block, ends, QEMU_PLUGIN_CB_NO_REGS, NULL);
    qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &symbols[place_of(name)].count,
                                             qemu_plugin_tb_n_insns(block));
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int count, char **arguments)
{
    (void)info, (void)count, (void)arguments;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
