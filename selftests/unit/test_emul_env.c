// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: a small machine for the emulator
 *
 * See test_emul_env.h.
 */
#include "test_emul_env.h"

#include <asm/processor-flags.h>

static struct env *to_env(struct umbra_emul *e)
{
	return e->owner;
}

static struct env_region *find(struct env *v, u64 gva)
{
	unsigned int i;

	for (i = 0; i < v->regions; i++)
		if (gva - v->region[i].base < v->region[i].size)
			return &v->region[i];
	return NULL;
}

u8 *env_at(struct env *v, u64 gva)
{
	struct env_region *r = find(v, gva);

	return r ? r->mem + (gva - r->base) : NULL;
}

/* #PF at @gva unless the access is allowed there. */
static int check(struct umbra_emul *e, u64 gva, unsigned int acc)
{
	struct env_region *r = find(to_env(e), gva);
	bool write = acc & (UMBRA_ACC_WRITE | UMBRA_ACC_RMW);
	bool user = acc & UMBRA_ACC_USER;

	if (r && !(write && r->ro) && !(user && r->super))
		return UMBRA_EMUL_OK;
	e->fault = (struct umbra_fault){
		.vector = 14,
		.has_error = true,
		.error_code = (r ? 1 : 0) | write << 1 | user << 2 |
			      (acc & UMBRA_ACC_FETCH ? 16 : 0),
		.addr = gva,
	};
	return UMBRA_EMUL_FAULT;
}

static int check_range(struct umbra_emul *e, u64 gva, unsigned int len,
		       unsigned int acc)
{
	u64 next = (gva & UMBRA_PAGE_MASK) + UMBRA_PAGE_SIZE;
	int ret;

	if (to_env(e)->io_at && (gva & UMBRA_PAGE_MASK) == to_env(e)->io_at)
		return UMBRA_EMUL_IO;
	ret = check(e, gva, acc);
	if (!ret && gva + len - 1 >= next)
		ret = check(e, next, acc);
	return ret;
}

static void copy_out(struct env *v, u64 gva, u8 *buf, unsigned int len)
{
	for (; len; len--)
		*buf++ = *env_at(v, gva++);
}

static int op_fetch(struct umbra_emul *e, gva_t gva, void *buf,
		    unsigned int len, unsigned int *got)
{
	u64 rest = UMBRA_PAGE_SIZE - (gva & ~UMBRA_PAGE_MASK);
	unsigned int acc = UMBRA_ACC_FETCH |
			   (e->r.cpl == 3 ? UMBRA_ACC_USER : 0);
	int ret;

	len = min_t(u64, len, rest);
	ret = check_range(e, gva, len, acc);
	if (ret)
		return ret;
	copy_out(to_env(e), gva, buf, len);
	*got = len;
	return UMBRA_EMUL_OK;
}

static int op_read(struct umbra_emul *e, gva_t gva, void *buf,
		   unsigned int len, unsigned int acc)
{
	int ret = check_range(e, gva, len, acc);

	if (!ret)
		copy_out(to_env(e), gva, buf, len);
	return ret;
}

static int op_write(struct umbra_emul *e, gva_t gva, const void *buf,
		    unsigned int len, unsigned int acc)
{
	const u8 *p = buf;
	int ret = check_range(e, gva, len, acc | UMBRA_ACC_WRITE);

	if (ret)
		return ret;
	to_env(e)->writes++;
	for (; len; len--)
		*env_at(to_env(e), gva++) = *p++;
	return UMBRA_EMUL_OK;
}

/* Devices take any write. */
static int op_probe(struct umbra_emul *e, gva_t gva, unsigned int len, unsigned int acc)
{
	int ret = check_range(e, gva, len, acc | UMBRA_ACC_WRITE);

	return ret == UMBRA_EMUL_IO ? UMBRA_EMUL_OK : ret;
}

static int op_cmpxchg(struct umbra_emul *e, gva_t gva, const void *old,
		      const void *new_val, unsigned int len, unsigned int acc,
		      bool *swapped)
{
	u8 cur[16];
	int ret = op_read(e, gva, cur, len, acc | UMBRA_ACC_WRITE);

	if (ret)
		return ret;
	if (to_env(e)->races) {
		to_env(e)->races--;
		(*env_at(to_env(e), gva))++;
		return UMBRA_EMUL_OK;
	}
	if (memcmp(cur, old, len))
		return UMBRA_EMUL_OK;
	*swapped = true;
	return op_write(e, gva, new_val, len, acc);
}

static bool op_is_memory(struct umbra_emul *e, gva_t gva, unsigned int len,
			 unsigned int acc)
{
	if (!to_env(e)->blocks || check_range(e, gva, len, acc))
		return false;
	to_env(e)->block_writes += !!(acc & UMBRA_ACC_WRITE);
	return true;
}

static int op_pio(struct umbra_emul *e, u16 port, unsigned int size, bool in, bool rep,
		  u32 *val)
{
	struct env *v = to_env(e);

	v->ports++;
	v->port = port;
	v->port_size = size;
	if (in)
		*val = v->port_val;
	else
		v->port_out = *val;
	return UMBRA_EMUL_OK;
}

static u64 *cr_of(struct umbra_regs *r, unsigned int cr)
{
	switch (cr) {
	case 0:
		return &r->cr0;
	case 2:
		return &r->cr2;
	case 3:
		return &r->cr3;
	case 4:
		return &r->cr4;
	}
	return &r->cr8;
}

static int op_read_cr(struct umbra_emul *e, unsigned int cr, u64 *val)
{
	*val = *cr_of(&to_env(e)->regs, cr);
	return UMBRA_EMUL_OK;
}

static int op_write_cr(struct umbra_emul *e, unsigned int cr, u64 val)
{
	*cr_of(&to_env(e)->regs, cr) = val;
	*cr_of(&e->r, cr) = val;
	return UMBRA_EMUL_OK;
}

static u64 *dr_of(struct umbra_regs *r, unsigned int dr)
{
	if (dr < 4)
		return &r->dr[dr];
	return dr == 6 ? &r->dr6 : &r->dr7;
}

static int op_read_dr(struct umbra_emul *e, unsigned int dr, u64 *val)
{
	*val = *dr_of(&to_env(e)->regs, dr);
	return UMBRA_EMUL_OK;
}

static int op_write_dr(struct umbra_emul *e, unsigned int dr, u64 val)
{
	*dr_of(&to_env(e)->regs, dr) = val;
	*dr_of(&e->r, dr) = val;
	return UMBRA_EMUL_OK;
}

static int op_read_msr(struct umbra_emul *e, u32 index, u64 *val)
{
	to_env(e)->msr_index = index;
	*val = to_env(e)->msr;
	return UMBRA_EMUL_OK;
}

static int op_write_msr(struct umbra_emul *e, u32 index, u64 val)
{
	to_env(e)->msr_index = index;
	to_env(e)->msr = val;
	return UMBRA_EMUL_OK;
}

static int op_write_xcr(struct umbra_emul *e, u32 index, u64 val)
{
	to_env(e)->regs.xcr0 = val;
	e->r.xcr0 = val;
	return UMBRA_EMUL_OK;
}

static int op_cpuid(struct umbra_emul *e, u32 reg[4])
{
	reg[0] += 1;
	reg[1] = 0x11111111;
	reg[2] += 2;
	reg[3] = 0xffffffff;
	return UMBRA_EMUL_OK;
}

static int op_rdtsc(struct umbra_emul *e, u64 *tsc, u32 *aux)
{
	*tsc = 0x123456789abcdef0ull;
	*aux = 7;
	return UMBRA_EMUL_OK;
}

static int op_invlpg(struct umbra_emul *e, gva_t gva)
{
	to_env(e)->invlpg = gva;
	return UMBRA_EMUL_OK;
}

static int op_xmm(struct umbra_emul *e, unsigned int reg, void *buf,
		  unsigned int len, bool write)
{
	if (write)
		memcpy(to_env(e)->vec[reg], buf, len);
	else
		memcpy(buf, to_env(e)->vec[reg], len);
	return UMBRA_EMUL_OK;
}

static int op_fx(struct umbra_emul *e, void *area, bool write)
{
	if (write)
		memcpy(to_env(e)->fx, area, 512);
	else
		memcpy(area, to_env(e)->fx, 512);
	return UMBRA_EMUL_OK;
}

static int op_xstate(struct umbra_emul *e, struct umbra_xstate *x)
{
	struct env *v = to_env(e);

	*x = (struct umbra_xstate){ v->ximage, v->xfeatures, v->mxcsr_mask, v->xcomponent };
	return UMBRA_EMUL_OK;
}

/* Here the processor's vector registers are anybody's. */
static void op_fpu(struct umbra_emul *e, bool begin)
{
}

static const struct umbra_emul_ops ops = {
	.fetch = op_fetch,
	.read = op_read,
	.write = op_write,
	.probe = op_probe,
	.cmpxchg = op_cmpxchg,
	.is_memory = op_is_memory,
	.pio = op_pio,
	.read_cr = op_read_cr,
	.write_cr = op_write_cr,
	.read_dr = op_read_dr,
	.write_dr = op_write_dr,
	.read_msr = op_read_msr,
	.write_msr = op_write_msr,
	.write_xcr = op_write_xcr,
	.cpuid = op_cpuid,
	.rdtsc = op_rdtsc,
	.invlpg = op_invlpg,
	.xmm = op_xmm,
	.fx = op_fx,
	.xstate = op_xstate,
	.fpu = op_fpu,
};

/* AVX512F, DQ, BW and VL in CPUID.7.EBX; all of them or none. */
#define AVX512		(BIT(16) | BIT(17) | BIT(30) | BIT(31))

static void cpuid(u32 leaf, u32 *reg)
{
	asm volatile("cpuid" : "=a"(reg[0]), "=b"(reg[1]), "=c"(reg[2]), "=d"(reg[3])
		     : "a"(leaf), "c"(0));
}

u64 env_host_features(void)
{
	static const struct { u32 leaf; u8 reg, bit; u64 feature; } map[] = {
		{ 1, 2, 0, UMBRA_EMUL_F_SSE3 }, { 1, 2, 9, UMBRA_EMUL_F_SSSE3 },
		{ 1, 2, 19, UMBRA_EMUL_F_SSE41 }, { 1, 2, 20, UMBRA_EMUL_F_SSE42 },
		{ 1, 2, 28, UMBRA_EMUL_F_AVX }, { 7, 1, 5, UMBRA_EMUL_F_AVX2 },
		{ 1, 2, 12, UMBRA_EMUL_F_FMA }, { 1, 2, 29, UMBRA_EMUL_F_F16C },
		{ 1, 2, 25, UMBRA_EMUL_F_AES }, { 1, 2, 1, UMBRA_EMUL_F_PCLMUL },
		{ 0x80000001, 3, 31, UMBRA_EMUL_F_3DNOW },
		{ 0x80000001, 3, 30, UMBRA_EMUL_F_3DNOWEXT },
		{ 7, 1, 29, UMBRA_EMUL_F_SHA }, { 7, 2, 8, UMBRA_EMUL_F_GFNI },
		{ 7, 2, 9, UMBRA_EMUL_F_VAES }, { 7, 2, 10, UMBRA_EMUL_F_VPCLMUL },
	};
	static u64 features;
	u32 reg[4] = { 0 };
	unsigned int i;

	if (features)
		return features;
	features = UMBRA_EMUL_F_ALL;
	for (i = 0; i < ARRAY_SIZE(map); i++) {
		cpuid(map[i].leaf & 1u << 31, reg);
		if (reg[0] < map[i].leaf)
			memset(reg, 0, sizeof(reg));
		else
			cpuid(map[i].leaf, reg);
		if (!(reg[map[i].reg] >> map[i].bit & 1))
			features &= ~map[i].feature;
	}
	cpuid(0, reg);
	if (reg[0] < 7)
		return features &= ~UMBRA_EMUL_F_AVX512;
	cpuid(7, reg);
	if ((reg[1] & AVX512) != AVX512)
		features &= ~UMBRA_EMUL_F_AVX512;
	return features;
}

void env_init(struct env *v)
{
	unsigned int i;

	for (i = 0; i < v->regions; i++)
		free(v->region[i].mem);
	memset(v, 0, sizeof(*v));
	v->e.ops = &ops;
	v->e.owner = v;
	v->e.regs = &v->regs;
	v->e.features = env_host_features();
	v->regs.rflags = 2;
	v->regs.avail = UMBRA_REGS_ALL;
}

u8 *env_map(struct env *v, u64 base, u64 size)
{
	struct env_region *r = &v->region[v->regions++];

	r->base = base;
	r->size = size;
	r->mem = calloc(1, size);
	return r->mem;
}

static void set_seg(struct env *v, unsigned int n, u16 sel, u16 attr)
{
	v->regs.seg[n] = (struct umbra_seg){
		.sel = sel, .attr = attr, .limit = 0xffffffff,
	};
}

static void flat(struct env *v, unsigned int cpl, u16 code)
{
	u16 dpl = cpl << UMBRA_SEG_DPL_SHIFT;
	u16 attr = UMBRA_SEG_P | UMBRA_SEG_S | UMBRA_SEG_G | dpl;
	unsigned int n;

	for (n = UMBRA_ES; n <= UMBRA_GS; n++)
		set_seg(v, n, cpl ? 0x2b : 0x18, attr | UMBRA_SEG_DB | 3);
	set_seg(v, UMBRA_CS, cpl ? 0x33 : 0x10, attr | code | 0xb);
	v->regs.cpl = cpl;
	v->regs.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_NE | X86_CR0_WP |
		      X86_CR0_AM | X86_CR0_ET | X86_CR0_MP;
	v->regs.cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXSAVE |
		      X86_CR4_FSGSBASE;
	v->regs.xcr0 = 7;
}

void env_flat64(struct env *v, unsigned int cpl)
{
	flat(v, cpl, UMBRA_SEG_L);
	v->regs.efer = 0xd01;
}

void env_flat32(struct env *v, unsigned int cpl)
{
	flat(v, cpl, UMBRA_SEG_DB);
	v->regs.efer = 0;
}

void env_real(struct env *v)
{
	unsigned int n;

	for (n = UMBRA_ES; n <= UMBRA_GS; n++)
		v->regs.seg[n] = (struct umbra_seg){
			.attr = UMBRA_SEG_P | UMBRA_SEG_S | 3,
			.limit = 0xffff,
		};
	v->regs.cpl = 0;
	v->regs.cr0 = X86_CR0_ET;
	v->regs.cr4 = 0;
	v->regs.efer = 0;
	v->regs.idtr.limit = 0x3ff;
}
