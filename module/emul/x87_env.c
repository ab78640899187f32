// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: x87 environments
 *
 * FNSTENV, FLDENV, FNSAVE, FRSTOR: the 14 or 28 bytes of SDM Vol. 1, 8.1.10, in
 * four formats by mode and operand size; the latter two with the registers behind
 * them, 10 bytes each. There the tags have two bits, in the FXSAVE area one. As the
 * area has 64-bit pointers without selectors, FCS and FDS are 0.
 */
#include "x87_internal.h"

#define TAG_ZERO	1
#define TAG_SPECIAL	2
#define TAG_EMPTY	3

#define ENV_FIELDS	7
enum { ENV_FCW, ENV_FSW, ENV_FTW, ENV_FIP, ENV_FCS, ENV_FDP, ENV_FDS };

/**
 * emul_x87_is_env() - is it one of this file's?
 * @in: an instruction of D8..DF
 */
bool emul_x87_is_env(const struct emul_insn *in)
{
	unsigned int reg = (in->modrm >> 3) & 7;

	return in->mod != 3 && (in->opcode == 0xd9 || in->opcode == 0xdd) &&
	       (reg == 4 || reg == 6);
}

static unsigned int tag_of(const u8 *st)
{
	u16 exponent = fx_u16(st, 8) & 0x7fff;
	u64 significand;

	memcpy(&significand, st, 8);
	if (!exponent && !significand)
		return TAG_ZERO;
	return !exponent || exponent == 0x7fff || !(significand >> 63) ? TAG_SPECIAL : 0;
}

static u16 full_tags(const u8 *fx)
{
	unsigned int top = fx_u16(fx, FX_FSW) >> 11 & 7, n, tag;
	u16 tags = 0;

	for (n = 0; n < 8; n++) {
		tag = fx[FX_FTW] >> n & 1 ? tag_of(fx + FX_ST((n - top) & 7)) : TAG_EMPTY;
		tags |= tag << 2 * n;
	}
	return tags;
}

static u8 short_tags(u16 tags)
{
	unsigned int n;
	u8 ftw = 0;

	for (n = 0; n < 8; n++)
		ftw |= ((tags >> 2 * n & 3) != TAG_EMPTY) << n;
	return ftw;
}

/* Seven fields of @size bytes; unused halves of the 32-bit formats are ones. */
static void make_env(struct umbra_emul *e, const u8 *fx, u8 *env, unsigned int size)
{
	u32 fop = fx_u16(fx, FX_FOP) & 0x7ff, fip, fdp, f[ENV_FIELDS];
	unsigned int n;

	memcpy(&fip, fx + FX_FIP, 4);
	memcpy(&fdp, fx + FX_FDP, 4);
	f[ENV_FCW] = fx_u16(fx, FX_FCW) | 0xffff0000;
	f[ENV_FSW] = fx_u16(fx, FX_FSW) | 0xffff0000;
	f[ENV_FTW] = full_tags(fx) | 0xffff0000;
	f[ENV_FIP] = fip;
	f[ENV_FDP] = fdp;
	if (emul_real_or_v86(e)) {
		f[ENV_FIP] = (fip & 0xffff) | 0xffff0000;
		f[ENV_FCS] = (fip >> 16) << 12 | fop;
		f[ENV_FDP] = (fdp & 0xffff) | 0xffff0000;
		f[ENV_FDS] = (fdp >> 16) << 12;
	} else {
		f[ENV_FCS] = fop << 16;
		f[ENV_FDS] = 0xffff0000;
	}
	for (n = 0; n < ENV_FIELDS; n++)
		memcpy(env + n * size, &f[n], size);
}

static void take_env(struct umbra_emul *e, u8 *fx, const u8 *env, unsigned int size)
{
	u32 f[ENV_FIELDS] = { 0 }, fop = 0;
	unsigned int n;
	u64 fip, fdp;

	for (n = 0; n < ENV_FIELDS; n++)
		memcpy(&f[n], env + n * size, size);
	fip = f[ENV_FIP];
	fdp = f[ENV_FDP];
	if (emul_real_or_v86(e)) {
		fop = f[ENV_FCS];
		fip = (u16)fip | (f[ENV_FCS] >> 12 & 0xffff) << 16;
		fdp = (u16)fdp | (f[ENV_FDS] >> 12 & 0xffff) << 16;
	} else if (size == 4) {
		fop = f[ENV_FCS] >> 16;
	}
	fx_put_u16(fx, FX_FOP, fop & 0x7ff);
	memcpy(fx + FX_FIP, &fip, 8);
	memcpy(fx + FX_FDP, &fdp, 8);
	fx[FX_FTW] = short_tags(f[ENV_FTW]);
	emul_fx_control(fx, f[ENV_FCW], f[ENV_FSW]);
}

/* FNSTENV goes on with all exceptions masked, FNSAVE as after FNINIT. */
static int store(struct umbra_emul *e, struct emul_insn *in, u8 *fx, unsigned int size,
		 bool whole)
{
	u8 image[ENV_FIELDS * 4 + 80];
	unsigned int len = ENV_FIELDS * size, n;
	int ret;

	make_env(e, fx, image, size);
	for (n = 0; whole && n < 8; n++, len += 10)
		memcpy(image + len, fx + FX_ST(n), 10);
	ret = emul_fx_store(e, in, image, len);
	if (ret)
		return ret;
	if (whole)
		emul_fx_init(fx);
	else
		emul_fx_control(fx, fx_u16(fx, FX_FCW) | FSW_EXCEPTIONS, fx_u16(fx, FX_FSW));
	return e->ops->fx(e, fx, true);
}

static int load(struct umbra_emul *e, struct emul_insn *in, u8 *fx, unsigned int size,
		bool whole)
{
	unsigned int env = ENV_FIELDS * size, len = env + (whole ? 80 : 0), n;
	u8 image[ENV_FIELDS * 4 + 80];
	int ret;

	ret = emul_fx_load(e, in, image, len);
	if (ret)
		return ret;
	take_env(e, fx, image, size);
	for (n = 0; whole && n < 8; n++)
		memcpy(fx + FX_ST(n), image + env + 10 * n, 10);
	return e->ops->fx(e, fx, true);
}

/**
 * emul_x87_env() - FNSTENV, FLDENV, FNSAVE, FRSTOR
 * @e: the emulation
 * @in: one of these
 * @fx: the guest's FXSAVE area
 *
 * Return: an enum umbra_emul_result.
 */
int emul_x87_env(struct umbra_emul *e, struct emul_insn *in, u8 *fx)
{
	unsigned int size = in->opsize == 2 ? 2 : 4;
	bool whole = in->opcode == 0xdd;

	if (((in->modrm >> 3) & 7) == 4)
		return load(e, in, fx, size, whole);
	return store(e, in, fx, size, whole);
}
