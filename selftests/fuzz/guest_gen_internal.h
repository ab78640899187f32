/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what the generator of random code shares with itself
 */
#ifndef GUEST_GEN_INTERNAL_H
#define GUEST_GEN_INTERNAL_H

#include "guest_fuzz.h"

struct gen {
	struct rng *r;
	struct step *s;
	const struct limits *lim;
	unsigned int bits;	/* default size of addresses: 16, 32, 64 */
	unsigned int osize, asize;
	uint8_t *rex;		/* the instruction's, or NULL */
	bool data16, rep;	/* it has 66; F2 or F3 */
	bool locked;		/* and LOCK */
	bool user;		/* the code is, or may be by now, user code */
	bool stepping;		/* RFLAGS.TF is, or may be by now, set */
	uint64_t base;		/* of CS */
};

#define PUT(g, ...) do {						\
	const uint8_t bytes_[] = { __VA_ARGS__ };			\
	unsigned int i_;						\
	for (i_ = 0; i_ < sizeof(bytes_); i_++)				\
		put(g, bytes_[i_], 1);					\
} while (0)

/* guest_operand.c */
void put(struct gen *g, uint64_t val, unsigned int len);
unsigned int imm_size(struct gen *g);
uint64_t small_number(struct gen *g);
void put_modrm(struct gen *g, int reg, int want_mod);
int lockable(struct gen *g, unsigned int op);
void put_operands(struct gen *g, char kind, unsigned int op);
void put_prefixes(struct gen *g, bool lock, bool rep);
void mov_reg_imm(struct gen *g, unsigned int reg, uint64_t val);

/* guest_opcode.c */
void define_flags(struct gen *g);
bool has_sysenter(const struct gen *g);
bool has_sysret(const struct gen *g);
bool unwanted_two(struct gen *g, unsigned int op);
void put_lar(struct gen *g);
void any_instruction(struct gen *g);
void plain_instruction(struct gen *g);

/* guest_system.c */
void control_register(struct gen *g);
void debug_register(struct gen *g);
void msr(struct gen *g);
void segment_load(struct gen *g);
uint64_t random_flags(struct gen *g);
void flags_instruction(struct gen *g);
void page_table_write(struct gen *g);

/* guest_flow.c */
void push_imm(struct gen *g, uint64_t val);
void far_return(struct gen *g);
void system_call(struct gen *g);
void interrupt_instruction(struct gen *g);
void loop(struct gen *g);
void indirect_jump(struct gen *g);

#endif
