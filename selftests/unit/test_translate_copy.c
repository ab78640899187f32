// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator: RIP-relative operands, by Zydis
 *
 * Whatever instruction has a RIP-relative operand, of whatever encoding and
 * whether or not this processor has it: its translation must be the same
 * instruction with the same operands, at the same address.  Nothing is executed.
 *
 *   test_translate_copy [STRINGS [SEED]]
 */
#include <Zydis/Zydis.h>

#include "ktap.h"
#include "test_translate_env.h"
#include "test_translate_gen.h"

#define LOW	0x20000000ull
#define HIGH	0x510020000000ull
#define SHOWN	20

static ZydisDecoder decoder;
static unsigned int compared, through, exits, wrong, branches;

/* By the bit in soft_where.spilled. */
static const ZydisRegister scratch[] = {
	0, ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_RCX, 0, ZYDIS_REGISTER_RDX,
};

struct decoded {
	ZydisDecodedInstruction in;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static bool decode(struct decoded *d, const void *code)
{
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, 15, &d->in, d->op));
}

/* Random bytes with a RIP-relative ModRM somewhere where it may be one. */
static void make(u8 *p)
{
	static const u8 prefix[] = { 0x66, 0x67, 0xf2, 0xf3, 0x64, 0x65, 0xf0 };
	static const u8 lead[] = { 0x0f, 0x0f, 0xc4, 0xc4, 0xc5, 0x62, 0x62, 0x8f };
	unsigned int i, n = 0;

	for (i = 0; i < 15; i++)
		p[i] = gen_random();
	while (!gen_below(3))
		p[n++] = prefix[gen_below(sizeof(prefix))];
	if (gen_below(2))
		p[n++] = 0x40 | gen_below(16);
	if (gen_below(2)) {
		p[n] = lead[gen_below(sizeof(lead))];
		if (p[n] != 0x0f && n && (p[n - 1] & 0xf0) == 0x40)
			p[--n] = lead[2 + gen_below(6)];
		/* maps 1 to 3, and 8 to 10 of XOP; EVEX has fixed bits */
		if (p[n] == 0xc4)
			p[n + 1] = (p[n + 1] & 0xe0) | (1 + gen_below(3));
		if (p[n] == 0x8f)
			p[n + 1] = (p[n + 1] & 0xe0) | (8 + gen_below(3));
		if (p[n] == 0x62) {
			p[n + 1] = (p[n + 1] & 0xf0) | (1 + gen_below(3));
			p[n + 2] |= 4;
		}
		n += p[n] == 0x62 ? 5 : p[n] == 0xc4 || p[n] == 0x8f ? 4 :
		     p[n] == 0xc5 ? 3 : 2;
		if (p[n - 2] == 0x0f && (p[n - 1] == 0x38 || p[n - 1] == 0x3a))
			n++;
	} else {
		n++;
	}
	p[n] = (p[n] & 0x38) | 5;
}

static bool same_memory(const struct decoded *g, const struct decoded *h, unsigned int i,
			u64 addr, u8 spilled)
{
	const ZydisDecodedOperandMem *a = &g->op[i].mem, *b = &h->op[i].mem;
	u64 disp = b->disp.has_displacement ? b->disp.value : 0;

	if (a->base != ZYDIS_REGISTER_RIP && a->base != ZYDIS_REGISTER_EIP)
		return a->base == b->base && a->index == b->index &&
		       a->disp.value == b->disp.value;
	if (a->segment != b->segment || b->index != ZYDIS_REGISTER_NONE)
		return false;
	if (spilled)
		return (b->base == scratch[spilled] ||
			b->base == scratch[spilled] - ZYDIS_REGISTER_RAX + ZYDIS_REGISTER_EAX) &&
		       !disp;
	return b->base == ZYDIS_REGISTER_NONE &&
	       (g->in.address_width == 32 ? (u32)disp == (u32)addr : disp == addr);
}

static bool same(const struct decoded *g, const struct decoded *h, u64 addr, u8 spilled)
{
	unsigned int i;

	if (g->in.mnemonic != h->in.mnemonic || g->in.encoding != h->in.encoding ||
	    g->in.operand_count != h->in.operand_count ||
	    g->in.operand_width != h->in.operand_width ||
	    g->in.address_width != h->in.address_width ||
	    (g->in.attributes & (ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_HAS_REP)) !=
	    (h->in.attributes & (ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_HAS_REP)))
		return false;
	for (i = 0; i < g->in.operand_count; i++) {
		const ZydisDecodedOperand *a = &g->op[i], *b = &h->op[i];

		if (a->type != b->type || a->size != b->size)
			return false;
		if (a->type == ZYDIS_OPERAND_TYPE_REGISTER && a->reg.value != b->reg.value)
			return false;
		if (a->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && a->imm.value.u != b->imm.value.u)
			return false;
		if (a->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    !same_memory(g, h, i, addr, spilled))
			return false;
	}
	return true;
}

/* Is the scratch register one that the instruction names or implies? */
static bool uses(const struct decoded *g, u8 spilled)
{
	unsigned int i;

	for (i = 0; i < g->in.operand_count; i++)
		if (g->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64,
						     g->op[i].reg.value) == scratch[spilled])
			return true;
	return false;
}

/* MOV R11, [vdata.r11] */
static bool loads_r11(u64 va)
{
	s32 disp;

	memcpy(&disp, (void *)(va + 3), sizeof(disp));
	return !memcmp((void *)va, "\x4c\x8b\x1d", 3) &&
	       va + 7 + disp == HOLE_VDATA + offsetof(struct soft_vdata, r11);
}

/* The host instruction that is the copy: after the MOV of its address or of R11, if any. */
static const u8 *find_copy(u64 va, struct soft_where *w)
{
	struct decoded d;
	unsigned int i;

	if (loads_r11(va))
		va += 7;
	for (i = 0; i < 3; i++) {
		if (soft_tc_where(tc, va, w) || w->exit != SOFT_BOUNDARY)
			return NULL;
		if (!decode(&d, (void *)va))
			return (void *)va;
		if (i == 0 && d.in.raw.modrm.mod == 0 && d.in.raw.modrm.rm == 5 &&
		    d.in.mnemonic == ZYDIS_MNEMONIC_MOV && d.in.length == 7) {
			va += d.in.length;
			continue;
		}
		if (i == 1) {
			va += d.in.length;
			continue;
		}
		return (void *)va;
	}
	return soft_tc_where(tc, va, w) ? NULL : (void *)va;
}

static bool is_rip_relative(const struct decoded *g, u64 rip, u64 *addr)
{
	unsigned int i;

	for (i = 0; i < g->in.operand_count; i++)
		if (g->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    (g->op[i].mem.base == ZYDIS_REGISTER_RIP ||
		     g->op[i].mem.base == ZYDIS_REGISTER_EIP)) {
			*addr = rip + g->in.length + g->op[i].mem.disp.value;
			return true;
		}
	return false;
}

/* What is rewritten altogether, and is tested by running it; and what does nothing. */
static bool is_special(const struct decoded *g)
{
	switch (g->in.mnemonic) {
	case ZYDIS_MNEMONIC_INVLPG:
	case ZYDIS_MNEMONIC_LEA:
	case ZYDIS_MNEMONIC_CALL:
	case ZYDIS_MNEMONIC_JMP:
	case ZYDIS_MNEMONIC_NOP:
		return true;
	default:
		return false;
	}
}

static void one(u64 base)
{
	u8 *p = (u8 *)base;
	struct decoded g, h;
	struct soft_where w;
	const u8 *copy;
	u64 va = 0, addr;

	make(p);
	if (!decode(&g, p) || !is_rip_relative(&g, base, &addr) || is_special(&g))
		return;
	soft_tc_drop(tc, base, 64);
	if (soft_tc_translate(tc, base, env_fetch, NULL, &va)) {
		soft_tc_flush(tc);
		return;
	}
	if (soft_tc_where(tc, va, &w) || w.exit == SOFT_CALLOUT) {
		exits++;
		return;
	}
	copy = find_copy(va, &w);
	if (copy && decode(&h, copy) && same(&g, &h, addr, w.spilled) &&
	    !(w.spilled && uses(&g, w.spilled))) {
		compared++;
		through += w.spilled != 0;
		return;
	}
	if (wrong++ < SHOWN)
		ktap_note("%02x %02x %02x %02x %02x %02x %02x %02x (%s) at %llx: %s", p[0], p[1],
			  p[2], p[3], p[4], p[5], p[6], p[7],
			  ZydisMnemonicGetString(g.in.mnemonic), base,
			  copy && decode(&h, copy) ? ZydisMnemonicGetString(h.in.mnemonic) : "?");
}

/* CALL and JMP through memory: MOV R11 from the same place, first R11 itself if that names it; by FS: an exit. */
static bool same_branch(const struct decoded *g, u64 va, u64 addr, bool rip_relative)
{
	const ZydisDecodedOperandMem *a = &g->op[0].mem, *b;
	bool far = rip_relative && g->in.address_width == 64 && (u64)(s64)(s32)addr != addr;
	struct soft_where w;
	struct decoded h;
	bool r11 = a->base == ZYDIS_REGISTER_R11 || a->index == ZYDIS_REGISTER_R11 ||
		   a->base == ZYDIS_REGISTER_R11D || a->index == ZYDIS_REGISTER_R11D;
	unsigned int i;

	if (a->segment == ZYDIS_REGISTER_FS)
		return !soft_tc_where(tc, va, &w) && w.exit == SOFT_CALLOUT;
	for (i = 0; i < 1u + far + r11; i++) {
		if (!decode(&h, (void *)va) || h.in.mnemonic != ZYDIS_MNEMONIC_MOV)
			return false;
		va += h.in.length;
	}
	b = &h.op[1].mem;
	if (h.op[0].reg.value != ZYDIS_REGISTER_R11 || h.op[1].size != 64 ||
	    a->segment != b->segment)
		return false;
	if (far)
		return b->base == ZYDIS_REGISTER_R11 && !b->disp.value;
	if (rip_relative)
		return b->base == ZYDIS_REGISTER_NONE && b->index == ZYDIS_REGISTER_NONE &&
		       (u32)b->disp.value == (u32)addr &&
		       h.in.address_width == g->in.address_width;
	return a->base == b->base && a->index == b->index && a->scale == b->scale &&
	       a->disp.value == b->disp.value;
}

static void one_branch(u64 base)
{
	static const u8 prefix[] = { 0x67, 0x64, 0x65, 0x2e, 0x3e };
	u64 va = 0, addr = 0;
	u8 *p = (u8 *)base;
	struct decoded g;
	bool rip;

	for (va = 0; va < 15; va++)
		p[va] = gen_random();
	while (!gen_below(3) && p < (u8 *)base + 4)
		*p++ = prefix[gen_below(sizeof(prefix))];
	if (gen_below(2))
		*p++ = 0x40 | gen_below(16);
	*p++ = 0xff;
	*p = (gen_below(3) << 6) | (gen_below(2) ? 0x10 : 0x20) | gen_below(8);
	if (!decode(&g, (void *)base))
		return;
	rip = is_rip_relative(&g, base, &addr);
	soft_tc_drop(tc, base, 64);
	if (soft_tc_translate(tc, base, env_fetch, NULL, &va)) {
		soft_tc_flush(tc);
		return;
	}
	branches++;
	if (same_branch(&g, va, addr, rip))
		return;
	p = (u8 *)base;
	if (wrong++ < SHOWN)
		ktap_note("%02x %02x %02x %02x %02x %02x %02x %02x at %llx", p[0], p[1],
			  p[2], p[3], p[4], p[5], p[6], p[7], base);
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 1 ? strtoul(argv[1], NULL, 0) : 200000, i;

	gen_seed(argc > 2 ? strtoul(argv[2], NULL, 0) : 1);
	env_init(HOLE_TC_SIZE);
	env_map(LOW, 0x1000);
	env_map(HIGH, 0x1000);
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
	tc_config.single = true;
	env_new_cache(HOLE_TC_SIZE);
	ktap_plan(3);
	memset((void *)LOW, 0xcc, 0x1000);
	memset((void *)HIGH, 0xcc, 0x1000);
	for (i = 0; i < n; i++)
		one(i & 1 ? LOW : HIGH);
	ktap_note("%u the same, %u of them through a register; %u exit", compared, through,
		  exits);
	ktap_ok(!wrong, "copies of RIP-relative instructions, %u wrong", wrong);
	wrong = 0;
	for (i = 0; i < n / 4; i++)
		one_branch(i & 1 ? LOW : HIGH);
	ktap_ok(!wrong, "branches through memory: %u, %u wrong", branches, wrong);
	ktap_ok(compared > n / 20 && through > n / 50, "enough of them");
	ktap_exit();
}
