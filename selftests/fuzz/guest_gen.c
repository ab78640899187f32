// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: random instructions
 *
 * All opcodes of the one-byte and the 0F map, with random prefixes and operands
 * of the right length: nothing that runs past its own bytes, few jumps
 * that go back.  Besides, short sequences that get somewhere: far transfers with good frames, control
 * registers, MSRs, page table entries followed by a flush.
 *
 * Flags that the manuals leave undefined differ from processor to processor: behind an
 * instruction that leaves some comes a CMP that defines them all.
 */
#include "guest_fuzz.h"

#include <string.h>

#include "xorshift.h"

uint64_t rng_next(struct rng *r)
{
	r->state = xorshift(r->state);
	return r->state * 0x2545f4914f6cdd1dull >> 3;
}

uint64_t below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

bool chance(struct rng *r, unsigned int percent)
{
	return below(r, 100) < percent;
}

/*
 * Operands by opcode: m ModRM, b ModRM and imm8, z ModRM and imm16/32, n none, i imm8,
 * Z imm16/32, V imm16/32/64, j rel8, J rel16/32, P far pointer, o moffs, w imm16,
 * e ENTER, f group 3, - prefix or not wanted (INT1: QEMU's TCG leaves it to a debugger).
 */
static const char *const one_byte[16] = {
	"mmmmiZnnmmmmiZn-", "mmmmiZnnmmmmiZnn", "mmmmiZ-nmmmmiZ-n", "mmmmiZ-nmmmmiZ-n",
	"nnnnnnnnnnnnnnnn", "nnnnnnnnnnnnnnnn", "nnmm----Zzibnnnn", "jjjjjjjjjjjjjjjj",
	"bzbbmmmmmmmmmmmm", "nnnnnnnnnnPnnnnn", "oooonnnniZnnnnnn", "iiiiiiiiVVVVVVVV",
	"bbwnmmbzenwnninn", "mmmmiinnmmmmmmmm", "jjjjiiiiJJPjnnnn", "----nnffnnnnnnmm",
};

static const char *const two_byte[16] = {
	"mmmm-nnnnn-n-m--", "mmmmmmmmmmmmmmmm", "mmmm----mmmmmmmm", "n-n-nn----------",
	"mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmmm", "bbbbmmmn----m-mm",
	"JJJJJJJJJJJJJJJJ", "mmmmmmmmmmmmmmmm", "nn-mbm--nn-mbmmm", "mmmmmmmmm-bmmmmm",
	"mmbmbbbmnnnnnnnn", "mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmm-",
};

/* Bytes that one item of code takes at most, and a HLT behind it. */
#define ROOM	64u

struct gen {
	struct rng *r;
	struct step *s;
	const struct limits *lim;
	unsigned int bits;	/* default size of addresses: 16, 32, 64 */
	unsigned int osize, asize;
	bool locked;		/* the instruction has LOCK */
	bool user;		/* the code is, or may be by now, user code */
	bool stepping;		/* RFLAGS.TF is, or may be by now, set */
	uint64_t base;		/* of CS */
};

static void put(struct gen *g, uint64_t val, unsigned int len)
{
	memcpy(g->s->code + g->s->code_len, &val, len);
	g->s->code_len += len;
}

#define PUT(g, ...) do {						\
	const uint8_t bytes_[] = { __VA_ARGS__ };			\
	unsigned int i_;						\
	for (i_ = 0; i_ < sizeof(bytes_); i_++)				\
		put(g, bytes_[i_], 1);					\
} while (0)

static unsigned int imm_size(struct gen *g)
{
	return g->osize == 2 ? 2 : 4;
}

static uint64_t small_number(struct gen *g)
{
	return chance(g->r, 70) ? below(g->r, 64) - 16 : rng_next(g->r);
}

/* ModRM with all that belongs to it; @reg < 0: any. */
static void put_modrm(struct gen *g, int reg, int want_mod)
{
	unsigned int mod = want_mod >= 0 ? (unsigned int)want_mod : below(g->r, g->locked ? 3 : 4);
	unsigned int rm = below(g->r, 8);

	if (reg < 0)
		reg = below(g->r, 8);
	put(g, mod << 6 | (reg & 7) << 3 | rm, 1);
	if (mod == 3)
		return;
	if (g->asize == 2) {
		if (mod == 0 && rm == 6)
			put(g, IMAGE_DATA / 2 + below(g->r, 0x1000), 2);
		else if (mod)
			put(g, small_number(g), mod);
		return;
	}
	if (rm == 4) {
		unsigned int sib = below(g->r, 256);

		if (chance(g->r, 60))
			sib = (sib & 0xc7) | 0x20;	/* no index */
		put(g, sib, 1);
		if (mod == 0 && (sib & 7) == 5)
			put(g, image_pointer(g->r, g->s->mode, g->s->paging), 4);
	}
	if (mod == 0 && rm == 5)
		put(g, g->bits == 64 ? below(g->r, 0x100) :
		    image_pointer(g->r, g->s->mode, g->s->paging), 4);
	if (mod == 1)
		put(g, below(g->r, 256), 1);
	else if (mod == 2)
		put(g, small_number(g), 4);
}

/* CMP AL,AL: all flags are defined again. */
static void define_flags(struct gen *g)
{
	PUT(g, 0x38, 0xc0);
}

/* Flags for POPF and IRET. */
static uint64_t random_flags(struct gen *g)
{
	struct rng *r = g->r;
	uint64_t flags = rng_next(r) & 0xcd5;

	if (chance(r, 30))
		flags |= 1 << 9;
	if (chance(r, 20))
		flags |= below(r, 4) << 12;
	if (chance(r, 5))
		flags |= 1 << 8;
	if (chance(r, 5))
		flags |= rng_next(r) & 0x254000;
	g->stepping |= flags >> 8 & 1;
	return flags | 2;
}

static bool leaves_flags_one(unsigned int op)
{
	switch (op) {
	case 0x27: case 0x2f: case 0x37: case 0x3f:	/* DAA, DAS, AAA, AAS */
	case 0x69: case 0x6b:				/* IMUL */
	case 0xc0: case 0xc1: case 0xd0: case 0xd1: case 0xd2: case 0xd3:
	case 0xd4: case 0xd5:				/* AAM, AAD */
	case 0xf6: case 0xf7:
		return true;
	}
	return false;
}

static bool leaves_flags_two(unsigned int op)
{
	switch (op) {
	case 0xa3: case 0xab: case 0xb3: case 0xbb: case 0xba:
	case 0xa4: case 0xa5: case 0xac: case 0xad:
	case 0xaf: case 0xbc: case 0xbd: case 0xb8:
		return true;
	}
	return false;
}

/* Where LOCK may stand; in front of others QEMU's TCG ignores it. */
static bool can_lock(bool two, unsigned int op)
{
	if (!two)
		return (op < 0x38 && (op & 7) < 2) || (op >= 0x80 && op <= 0x83) || op == 0x86 ||
		       op == 0x87 || op == 0xf6 || op == 0xf7 || op >= 0xfe;
	return op == 0xab || op == 0xb3 || op == 0xbb || op == 0xb0 || op == 0xb1 || op == 0xc0 ||
	       op == 0xc1;
}

/* The same within a group: not CMP; NOT, NEG; INC, DEC.  -1: any. */
static int lockable(struct gen *g, unsigned int op)
{
	if (!g->locked)
		return -1;
	if (op >= 0x80 && op <= 0x83)
		return below(g->r, 7);
	if (op == 0xf6 || op == 0xf7)
		return 2 + below(g->r, 2);
	return op >= 0xfe ? (int)below(g->r, 2) : -1;
}

/* The displacement of a jump over as many NOPs. */
static void put_jump(struct gen *g, unsigned int size)
{
	unsigned int distance = below(g->r, 6);

	put(g, distance, size);
	while (distance--)
		put(g, 0x90, 1);
}

static void put_operands(struct gen *g, char kind, unsigned int op)
{
	switch (kind) {
	case 'm':
		put_modrm(g, lockable(g, op), -1);
		break;
	case 'b':
		put_modrm(g, lockable(g, op), -1);
		put(g, below(g->r, 256), 1);
		break;
	case 'z':
		put_modrm(g, lockable(g, op), -1);
		put(g, small_number(g), imm_size(g));
		break;
	case 'i':
		put(g, below(g->r, 256), 1);
		break;
	case 'Z':
		put(g, small_number(g), imm_size(g));
		break;
	case 'V':
		put(g, small_number(g), g->osize == 8 ? 8 : imm_size(g));
		break;
	case 'j':
	case 'J':
		put_jump(g, kind == 'j' ? 1 : g->bits == 64 ? 4 : imm_size(g));
		break;
	case 'P':
		put(g, IMAGE_HANDLERS + below(g->r, 0x1000), imm_size(g));
		put(g, below(g->r, GDT_COUNT) * 8 + below(g->r, 4), 2);
		break;
	case 'o':
		put(g, image_pointer(g->r, g->s->mode, g->s->paging), g->asize);
		break;
	case 'w':
		put(g, below(g->r, 64), 2);
		break;
	case 'e':
		put(g, below(g->r, 64), 2);
		put(g, below(g->r, 3), 1);
		break;
	case 'f': {
		unsigned int ext = g->locked ? lockable(g, op) : (int)below(g->r, 8);

		if (ext == 1)
			ext = 0;	/* TEST, too, but #UD to TCG */

		put_modrm(g, ext, -1);
		if (ext < 2)
			put(g, small_number(g), op & 1 ? imm_size(g) : 1);
		break;
	}
	}
}

/* With F3 these are POPCNT, TZCNT, LZCNT; stock KVM's emulator has BSF and BSR in any case. */
static bool is_bit_count(bool two, unsigned int op)
{
	return two && (op == 0xb8 || op == 0xbc || op == 0xbd);
}

/* Prefixes; what they do to the sizes. */
static void put_prefixes(struct gen *g, bool lock, bool rep)
{
	static const uint8_t segments[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };

	g->osize = g->bits == 16 ? 2 : 4;
	g->asize = g->bits / 8;
	if (chance(g->r, 12)) {
		put(g, 0x66, 1);
		g->osize ^= 6;
	}
	if (chance(g->r, 6)) {
		put(g, 0x67, 1);
		g->asize = g->asize == 8 ? 4 : g->asize ^ 6;
	}
	if (chance(g->r, 8))
		put(g, segments[below(g->r, 6)], 1);
	if (rep && chance(g->r, 10))
		put(g, 0xf2 + below(g->r, 2), 1);
	g->locked = lock && chance(g->r, 10);
	if (g->locked)
		put(g, 0xf0, 1);
	if (g->bits == 64 && chance(g->r, 50)) {
		unsigned int rex = 0x40 + below(g->r, 16);

		put(g, rex, 1);
		if (rex & 8)
			g->osize = 8;
	}
}

/*
 * SYSENTER and SYSEXIT are #UD in long mode on AMD's processors.  But QEMU's TCG has them in
 * compatibility mode, and stock KVM emulates SYSEXIT when it sees the #UD.
 */
static bool has_sysenter(const struct gen *g)
{
	return g->s->mode < MODE_COMPAT16;
}

/* Without EFER.SCE it is #UD, but TCG looks first whether it may be executed here (APM Vol. 3, SYSRET). */
static bool has_sysret(const struct gen *g)
{
	return g->s->sregs.efer & 1 || (!g->user && g->s->mode != MODE_REAL);
}

/* Answers that belong to the host, or to the moment. */
static bool unwanted_two(struct gen *g, unsigned int op)
{
	if (op == 0x34 || op == 0x35)
		return !has_sysenter(g);
	if (op == 7)
		return !has_sysret(g) || g->bits == 64;	/* see system_return() */
	/* SLDT to VERW, SGDT to SMSW, LAR, LSL, CPUID: in user code of the soft engine the host answers. */
	if (op <= 3 || op == 0xa2)
		return g->user && !g->lim->user_answers;
	/* RDTSC, RDPMC; group 9 has RDRAND, RDSEED and RDPID; group 15 XSAVE; EMMS and MMX */
	return op == 0x31 || op == 0x33 || op == 0xc7 || op == 0xae;
}

/*
 * A control or debug register that there is: of others nobody says whether #UD comes before
 * the #GP of user code.
 */
static unsigned int known_register(struct gen *g, unsigned int op)
{
	static const uint8_t control[] = { 0, 2, 3, 4 }, debug[] = { 0, 1, 2, 3, 6, 7 };

	/* Written to DR6 and DR7, TCG keeps bits that are always 0 (SDM Vol. 3B 17.2.6). */
	return op & 1 ? debug[below(g->r, op == 0x23 ? 4 : 6)] : control[below(g->r, 4)];
}

/* MOV; the other seven are #UD, but MOV to TCG. */
static void put_group_11(struct gen *g, unsigned int op)
{
	put_modrm(g, 0, -1);
	put(g, small_number(g), op & 1 ? imm_size(g) : 1);
}

/* MOVNTPS, MOVLPS, MOVHPS, MOVNTQ, LDDQU: with a register #UD, but not in QEMU's TCG. */
static bool needs_memory(unsigned int op)
{
	return op == 0x13 || op == 0x17 || op == 0x2b || op == 0xe7 || op == 0xf0;
}

/* SHLD and SHRD; of 16 bits by more they leave a result that is undefined (SDM Vol. 2B). */
static void put_double_shift(struct gen *g, unsigned int op)
{
	put_modrm(g, -1, -1);
	if (!(op & 1))
		put(g, below(g->r, g->osize == 2 ? 17 : 256), 1);
}

/*
 * Shifts and rotates.  RCL and RCR of registers only: TCG changes CF and other flags before it
 * finds that memory cannot be reached or written, and when that has been mended begins again with them.
 */
static void put_shift(struct gen *g, unsigned int op)
{
	unsigned int reg = below(g->r, 8);

	put_modrm(g, reg, (reg & 6) == 2 ? 3 : -1);
	if (op < 0xd0)
		put(g, below(g->r, 256), 1);
}

/* EMMS, MOVNTI: 66, F2 and F3 make them undefined (SDM Vol. 2: "NP"), but not for TCG. */
static void put_bare(struct gen *g, unsigned int op)
{
	g->asize = g->bits / 8;
	PUT(g, 0x0f, op);
	if (op == 0xc3)
		put_modrm(g, -1, below(g->r, 3));
}

/* LAR to 16 bits: of the others "x is undefined" in the mask 00FxFF00 (SDM Vol. 2A). */
static void put_lar(struct gen *g)
{
	if (g->bits != 16)
		put(g, 0x66, 1);
	PUT(g, 0x0f, 0x02, 0xc0 | below(g->r, 64));
}

/* What has to stand in front of an instruction. */
static void prepare(struct gen *g, bool two, unsigned int op)
{
	if (two && (op == 0xa5 || op == 0xad))
		PUT(g, 0xb1, below(g->r, 17));	/* MOV CL, for put_double_shift() */
	/*
	 * SETcc takes the flags from where TCG has them, and forgets them if it then cannot write:
	 * behind two CMC, which change nothing, they are where they stay.
	 */
	if (two && (op & 0xf0) == 0x90)
		PUT(g, 0xf5, 0xf5);
}

/*
 * RET, RETF and IRET in 16-bit code lead anywhere, also into descriptors and vectors, and those are instructions that
 * use what others left undefined; far_return() has a good frame for them.
 */
static bool goes_astray(const struct gen *g, unsigned int op)
{
	return g->bits == 16 && ((op & 0xfe) == 0xc2 || (op & 0xfe) == 0xca || op == 0xcf);
}

/* INC to PUSH; 7 is #UD, but TCG reads the operand first.  No jumps where they go astray. */
static int group_5(struct gen *g)
{
	static const uint8_t in_16[] = { 0, 1, 6 };

	return g->bits == 16 ? in_16[below(g->r, 3)] : below(g->r, 7);
}

static bool is_shift(unsigned int op)
{
	return (op & 0xfe) == 0xc0 || (op & 0xfc) == 0xd0;
}

static void operands_one(struct gen *g, unsigned int op)
{
	if (op == 0xd9 || op == 0xdd)
		put_modrm(g, below(g->r, 6), -1);	/* 6: TCG stores the host's last data pointer */
	else if (op == 0x63 && g->bits != 64)
		put_modrm(g, -1, 3);	/* ARPL: TCG writes, and makes dirty, what does not change */
	else if (op == 0x8f)
		put_modrm(g, 0, -1);	/* others are #UD or XOP, but POP to TCG */
	else if (op == 0xff)
		put_modrm(g, g->locked ? lockable(g, op) : group_5(g), -1);
	else if ((op & 0xfe) == 0xc6)
		put_group_11(g, op);
	else if (is_shift(op))
		put_shift(g, op);
	else
		put_operands(g, one_byte[op >> 4][op & 15], op);
}

static void operands_two(struct gen *g, unsigned int op)
{
	/* RDTSCP and its like are 0F 01 with mod 3 */
	if (op == 1 || needs_memory(op))
		put_modrm(g, -1, below(g->r, 3));
	else if ((op & 0xfc) == 0x20)
		put_modrm(g, known_register(g, op), -1);
	else if ((op & 0xf6) == 0xa4)
		put_double_shift(g, op);
	else
		put_operands(g, two_byte[op >> 4][op & 15], op);
}

static void any_instruction(struct gen *g)
{
	unsigned int op = below(g->r, 256);
	bool two = chance(g->r, 35);
	char kind = (two ? two_byte : one_byte)[op >> 4][op & 15];

	if (kind == '-' || (two && unwanted_two(g, op)))
		return;
	if (!two && (op & 0xf8) == 0xd8 && !g->lim->x87)
		return;
	if (!two && ((g->bits == 64 && (op & 0xf0) == 0x40) || goes_astray(g, op)))
		return;
	/* A single step comes before define_flags(). */
	if (g->stepping && (two ? leaves_flags_two(op) : leaves_flags_one(op)))
		return;
	if (two && (op == 0x77 || op == 0xc3)) {
		put_bare(g, op);
		return;
	}
	if (two && op == 2) {
		put_lar(g);
		return;
	}
	prepare(g, two, op);
	put_prefixes(g, can_lock(two, op), !is_bit_count(two, op));
	/* BSWAP of 16 bits is undefined. */
	if (two && (op & 0xf8) == 0xc8 && g->osize == 2)
		op = 0x1f;	/* NOP */
	if (two)
		put(g, 0x0f, 1);
	put(g, op, 1);
	if (two)
		operands_two(g, op);
	else
		operands_one(g, op);
	if (two ? leaves_flags_two(op) : leaves_flags_one(op))
		define_flags(g);
}

/* The plain ones, so that a step also gets somewhere. */
static void plain_instruction(struct gen *g)
{
	static const uint8_t ops[] = {
		0x00, 0x01, 0x03, 0x09, 0x11, 0x13, 0x19, 0x21, 0x29, 0x2b, 0x31, 0x39, 0x3b,
		0x85, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8d, 0xff, 0xfe, 0x63,
	};
	unsigned int op = ops[below(g->r, sizeof(ops))];

	put_prefixes(g, can_lock(false, op), true);
	put(g, op, 1);
	put_modrm(g, op >= 0xfe ? (int)below(g->r, 2) : -1, op == 0x63 && g->bits != 64 ? 3 : -1);
}

static void mov_reg_imm(struct gen *g, unsigned int reg, uint64_t val)
{
	if (g->bits == 64) {
		put(g, 0x48, 1);
		put(g, 0xb8 + reg, 1);
		put(g, val, 8);
		return;
	}
	if (g->bits == 16)
		put(g, 0x66, 1);
	put(g, 0xb8 + reg, 1);
	put(g, val, 4);
}

static void control_register(struct gen *g)
{
	static const uint8_t regs[] = { 0, 0, 2, 3, 3, 4, 4, 8 };
	unsigned int cr = regs[below(g->r, sizeof(regs))];
	unsigned int gpr = below(g->r, 4);

	if (g->bits == 64 && cr == 8)
		put(g, 0x44, 1);
	else if (cr == 8)
		cr = 2;
	PUT(g, 0x0f, 0x20, 0xc0 | (cr & 7) << 3 | gpr);
	if (!chance(g->r, 70))
		return;
	/* change one bit, or the page tables, and write it back */
	if (cr == 3 && g->s->paging != PAGING_NONE && chance(g->r, 60))
		mov_reg_imm(g, gpr, image_root(g->s->paging, below(g->r, IMAGE_ROOTS)));
	else if (cr != 3 && g->bits != 16 && !g->stepping)
		PUT(g, 0x0f, 0xba, 0xf8 | gpr, below(g->r, cr == 4 ? 24 : 32));
	define_flags(g);
	if (cr == 8)
		put(g, 0x44, 1);
	PUT(g, 0x0f, 0x22, 0xc0 | (cr & 7) << 3 | gpr);
}

static void debug_register(struct gen *g)
{
	unsigned int dr = below(g->r, 8), gpr = below(g->r, 4);

	PUT(g, 0x0f, 0x21, 0xc0 | dr << 3 | gpr);
	if (dr != 7 && chance(g->r, 50))
		PUT(g, 0x0f, 0x23, 0xc0 | dr << 3 | gpr);
}

/* NXE only where it counts: without PAE, stock KVM has bit 4 in the error codes of fetches. */
static uint64_t some_efer(struct gen *g)
{
	return below(g->r, 0x1000) & (g->s->paging < PAGING_PAE ? 0x7ff : 0xfff);
}

static void msr(struct gen *g)
{
	static const uint32_t extra[] = { 0x10, 0x1b, 0x277, 0xfe, 0x2ff, 0xc0000103, 0xc001001f,
					  0x8b, 0x17, 0x40000000 };
	uint32_t index = machine_msrs[below(g->r, machine_msr_count)];
	bool write = chance(g->r, 60);
	uint64_t high;

	if (chance(g->r, 10))
		index = extra[5 * write + below(g->r, 5)];
	if (index == 0x10 || index == 0x1b)
		return;
	mov_reg_imm(g, 1, index);
	if (!write) {
		PUT(g, 0x0f, 0x32);
		return;
	}
	/* SYSENTER_ESP and EIP have 32 bits for stock KVM, where the maker is AMD. */
	high = index == 0x175 || index == 0x176 ? 0 : below(g->r, 0x10000) - 0x8000;
	/* Canonical: TCG's WRMSR takes the others where they are passed through, VMLOAD changes them. */
	mov_reg_imm(g, 2, chance(g->r, 70) ? 0 : high);
	mov_reg_imm(g, 0, index == 0xc0000080 ? some_efer(g) :
		    index == 0x174 ? below(g->r, 0x10000) :	/* TCG forgets the rest */
		    chance(g->r, 50) ? image_pointer(g->r, g->s->mode, g->s->paging) :
		    rng_next(g->r));
	PUT(g, 0x0f, 0x30);
}

static void string_instruction(struct gen *g)
{
	static const uint8_t ops[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
				       0x6c, 0x6d, 0x6e, 0x6f };
	unsigned int op = ops[below(g->r, sizeof(ops))];

	if (chance(g->r, 50))
		mov_reg_imm(g, 1, below(g->r, 20));
	put_prefixes(g, false, true);
	/* A prefix must stand before REX, and REX last. */
	if (g->s->code_len && (g->s->code[g->s->code_len - 1] & 0xf0) != 0x40)
		put(g, 0xf2 + below(g->r, 2), 1);
	put(g, op, 1);
}

static unsigned int code_selector(struct gen *g)
{
	static const uint8_t codes[] = { GDT_CODE64, GDT_CODE32, GDT_UCODE32, GDT_UCODE64, GDT_CODE16,
					 GDT_UCODE16, GDT_CONFORMING, GDT_GATE };
	unsigned int n = codes[below(g->r, sizeof(codes))];
	unsigned int rpl = n == GDT_UCODE32 || n == GDT_UCODE64 || n == GDT_UCODE16 ? 3 : 0;

	return n * 8 + (chance(g->r, 90) ? rpl : below(g->r, 4));
}

static void push_imm(struct gen *g, uint64_t val)
{
	put(g, 0x68, 1);
	put(g, val, g->bits == 16 ? 2 : 4);
}

/* Where the next instruction is, for a jump to it. */
static uint64_t next_rip(const struct gen *g)
{
	return g->s->code_gpa + g->s->code_len - g->base;
}

/* Code goes on in segment @cs, if there is one. */
static void enter_segment(struct gen *g, unsigned int cs)
{
	unsigned int n = cs / 8;

	if (g->s->mode == MODE_REAL || g->s->mode == MODE_V86) {
		g->base = 16 * cs;
		return;
	}
	g->user |= (cs & 3) == 3;
	if (n == GDT_CODE32 || n == GDT_UCODE32 || n == GDT_CONFORMING)
		g->bits = 32;
	else if (n == GDT_CODE64 || n == GDT_UCODE64)
		g->bits = g->s->paging == PAGING_LONG ? 64 : 16;
	else
		g->bits = 16;
}

/* IRET or RETF with a frame that is mostly good, to the code that follows. */
static void far_return(struct gen *g)
{
	bool iret = chance(g->r, 60);
	unsigned int cs = code_selector(g), data = (cs & 3) == 3 ? GDT_UDATA : GDT_DATA;
	unsigned int place, size = g->bits == 16 ? 2 : 4;
	uint32_t target;

	/* To rings 1 and 2, too, or SS may be null, which TCG takes on the way to 32-bit code (SDM Vol. 2A, IRET). */
	if (g->bits == 64 || cs & 3) {
		push_imm(g, data * 8 + (cs & 3));
		push_imm(g, IMAGE_STACK + 0x1000 + below(g->r, 0x200) * 8);
	}
	if (iret)
		push_imm(g, random_flags(g));
	push_imm(g, cs);
	put(g, 0x68, 1);
	place = g->s->code_len;
	put(g, 0, size);
	if (g->bits == 64)
		put(g, 0x48, 1);
	put(g, iret ? 0xcf : 0xcb, 1);
	enter_segment(g, cs);
	target = next_rip(g);
	memcpy(g->s->code + place, &target, size);
}

static void segment_load(struct gen *g)
{
	mov_reg_imm(g, 0, below(g->r, GDT_COUNT) * 8 + below(g->r, 8));
	if (chance(g->r, 80)) {
		PUT(g, 0x8e, 0xc0 | below(g->r, 8) << 3);
		return;
	}
	if (unwanted_two(g, 0))
		return;
	/* SLDT to LTR, VERR, VERW; LAR, LSL */
	if (chance(g->r, 50))
		PUT(g, 0x0f, 0x00, 0xc0 | below(g->r, 6) << 3);
	else if (chance(g->r, 50))
		put_lar(g);
	else
		PUT(g, 0x0f, 0x03, 0xc0 | below(g->r, 8) << 3);
}

/* SYSRET or SYSEXIT to the code that follows. */
static void system_return(struct gen *g, unsigned int op)
{
	bool to64 = g->bits == 64 && chance(g->r, 70);
	unsigned int place;
	uint32_t target;

	/* Not what memory may have put there: of VIF, VIP, VM and RF TCG does the opposite (state_make()). */
	if (op == 7 && g->bits == 64) {
		PUT(g, 0x49, 0xbb);
		put(g, random_flags(g) & ~0x1b0000ull, 8);
	}
	mov_reg_imm(g, op == 7 ? 1 : 2, 0);
	place = g->s->code_len - (g->bits == 64 ? 8 : 4);
	if (to64)
		put(g, 0x48, 1);
	PUT(g, 0x0f, op);
	target = g->s->code_gpa + g->s->code_len;
	memcpy(g->s->code + place, &target, sizeof(target));
	enter_segment(g, 8 * (to64 ? GDT_UCODE64 : GDT_UCODE32) + 3);
}

static void system_call(struct gen *g)
{
	static const uint8_t calls[] = { 0x05, 0x07, 0x34, 0x35 };
	unsigned int op = calls[below(g->r, has_sysenter(g) ? 4 : 2)];

	if (op == 7 && !has_sysret(g))
		return;
	if (op == 7 || op == 0x35)
		system_return(g, op);
	else
		PUT(g, 0x0f, op);
}

static void flags_instruction(struct gen *g)
{
	static const uint8_t ops[] = { 0x9c, 0x9d, 0xfa, 0xfb, 0xfc, 0xfd, 0x9e, 0x9f, 0xf5, 0xf8, 0xf9 };
	unsigned int op = ops[below(g->r, sizeof(ops))];

	if (op == 0x9d) {
		push_imm(g, random_flags(g));
		if (chance(g->r, 20))
			put(g, 0x66, 1);
	}
	put(g, op, 1);
}

static void interrupt_instruction(struct gen *g)
{
	if (chance(g->r, 70))
		PUT(g, 0xcd, below(g->r, 256));
	else
		put(g, 0xcc + 2 * below(g->r, 2), 1);
}

/* An entry of the page tables gets another value, and the TLB is told. */
static void page_table_write(struct gen *g)
{
	struct rng *r = g->r;
	bool wide = g->s->paging != PAGING_32;
	uint64_t page = below(r, 6), gpa;
	unsigned int size = wide ? 8 : 4;

	if (g->bits != (g->s->paging == PAGING_LONG ? 64 : 32) || g->user ||
	    g->s->regs.rflags & 0x100)
		return;
	/* image_root() is the top; the tables of the root follow it */
	gpa = image_root(g->s->paging, g->s->root) + 0x1000 * page;
	gpa &= ~0xfffull;
	gpa += size * (chance(r, 50) ? IMAGE_DATA / 4096 + below(r, 16) : below(r, 8));
	mov_reg_imm(g, 6, gpa);
	mov_reg_imm(g, 0, image_entry(r, IMAGE_DATA + 0x1000 * below(r, 16), wide, true));
	if (g->bits == 64)
		put(g, 0x48, 1);
	/* MOV, or XOR without its flags: what the entry was depends on who set accessed bits when. */
	PUT(g, chance(r, 50) ? 0x89 : 0x31, 0x06);
	define_flags(g);
	PUT(g, 0x0f, 0x20, 0xdb, 0x0f, 0x22, 0xdb);	/* CR3 to itself */
}

/* Small loops that end. */
static void loop(struct gen *g)
{
	mov_reg_imm(g, 1, 1 + below(g->r, 200));
	PUT(g, 0x40 + (g->bits == 64 ? 0x8 : 0));
	if (g->bits == 64)
		PUT(g, 0xff, 0xc3, 0xe2, 0xfb);
	else
		PUT(g, 0x43, 0xe2, 0xfc);
}

static void indirect_jump(struct gen *g)
{
	unsigned int distance = below(g->r, 6), place;
	/*
	 * Where there is a HLT, mostly: what else is there may be an instruction that is left out, or
	 * one that leaves flags undefined.  Offsets of 16 bits do not reach it.
	 */
	uint64_t target = image_pointer(g->r, g->s->mode, g->s->paging) & ~(IMAGE_LANDING - 1ull);
	bool astray = g->bits != 16 && chance(g->r, 10);

	mov_reg_imm(g, 3, target);
	place = g->s->code_len - (g->bits == 64 ? 8 : 4);
	PUT(g, 0xff, chance(g->r, 50) ? 0xd3 : 0xe3);
	while (distance--)
		put(g, 0x90, 1);
	target = next_rip(g);
	if (!astray)
		memcpy(g->s->code + place, &target, g->bits == 64 ? 8 : 4);
}

static void (*const special[])(struct gen *g) = {
	control_register, control_register, debug_register, msr, string_instruction, string_instruction,
	far_return, far_return, segment_load, segment_load, system_call, flags_instruction,
	flags_instruction, interrupt_instruction, page_table_write, page_table_write, loop,
	indirect_jump,
};

/* The rest is HLT: the step ends there, or by #GP in user code. */
void gen_code(struct rng *r, struct step *s, const struct limits *lim)
{
	struct gen g = { .r = r, .s = s, .lim = lim, .user = s->user,
			 .stepping = s->regs.rflags >> 8 & 1, .base = s->sregs.cs.base };
	unsigned int n = 1 + below(r, 8);

	g.bits = s->mode == MODE_LONG ? 64 :
		 s->mode == MODE_PROT32 || s->mode == MODE_COMPAT32 ? 32 : 16;
	g.osize = g.bits == 16 ? 2 : 4;
	g.asize = g.bits / 8;
	memset(s->code, 0xf4, sizeof(s->code));
	s->code_len = 0;
	while (n-- && s->code_len < CODE_MAX - ROOM) {
		unsigned int what = below(r, 100);

		if (what < 35)
			plain_instruction(&g);
		else if (what < 65)
			any_instruction(&g);
		else
			special[below(r, sizeof(special) / sizeof(special[0]))](&g);
	}
	s->code_len = CODE_MAX;
}
