// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Zydis, the decoder's judge
 *
 * See test_decode_zydis.h.
 */
#include "test_decode_zydis.h"

#include <Zydis/Zydis.h>

#include "umbra/decode.h"
#include "umbra/emul.h"

#define SHOWN	20

static ZydisDecoder decoders[3];
const unsigned int zydis_modes[3] = { 16, 32, 64 };

void zydis_setup(void)
{
	static const ZydisMachineMode zmode[3] = {
		ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
		ZYDIS_MACHINE_MODE_LONG_64,
	};
	static const ZydisStackWidth width[3] = {
		ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
		ZYDIS_STACK_WIDTH_64,
	};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ZydisDecoderInit(&decoders[i], zmode[i], width[i]);
		ZydisDecoderEnableMode(&decoders[i],
				       ZYDIS_DECODER_MODE_MINIMAL, ZYAN_FALSE);
		/* hint space: NOPs to us, with operand rules to Zydis */
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_MPX,
				       ZYAN_FALSE);
		ZydisDecoderEnableMode(&decoders[i], ZYDIS_DECODER_MODE_CET,
				       ZYAN_FALSE);
		ZydisDecoderEnableMode(&decoders[i],
				       ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
	}
}

/* Length by Zydis, or 0 for an encoding that does not exist. */
static int zydis_len(unsigned int m, const u8 *buf,
		     ZydisDecodedInstruction *zi)
{
	ZyanStatus s;

	s = ZydisDecoderDecodeInstruction(&decoders[m], NULL, buf,
					  UMBRA_INSN_MAX, zi);
	return ZYAN_SUCCESS(s) ? zi->length : 0;
}

/* The first byte that is not a legacy or REX prefix. */
static const u8 *opcode_of(unsigned int m, const u8 *buf)
{
	unsigned int i;

	for (i = 0; i < UMBRA_INSN_MAX - 1; i++) {
		switch (buf[i]) {
		case 0x26: case 0x2e: case 0x36: case 0x3e:
		case 0x64 ... 0x67: case 0xf0: case 0xf2: case 0xf3:
			continue;
		case 0x40 ... 0x4f:
			if (zydis_modes[m] == 64)
				continue;
		}
		break;
	}
	return buf + i;
}

static bool is_ext(unsigned int m, const u8 *op)
{
	switch (op[0]) {
	case 0x62: case 0xc4: case 0xc5:
		return zydis_modes[m] == 64 || op[1] >= 0xc0;
	case 0x8f:
		return (op[1] & 0x1f) >= 8;
	}
	return false;
}

/* Knights Corner: MVEX (EVEX with a bit clear) and JKZD, JKNZD in VEX space. */
static bool is_knc(const u8 *op)
{
	const u8 *jk = op[0] == 0xc5 ? op + 2 : op + 3;

	if (op[0] == 0x62)
		return !(op[2] & 4);
	return (op[0] == 0xc4 || op[0] == 0xc5) && (*jk & 0xfe) == 0x84;
}

static bool has_lock(const u8 *buf, const u8 *op)
{
	for (; buf < op; buf++)
		if (*buf == 0xf0)
			return true;
	return false;
}

/*
 * The list of exceptions.  Return: the reason, or NULL when the two must agree.
 */
static const char *differs(unsigned int m, const u8 *buf, int ours, int theirs)
{
	const u8 *op = opcode_of(m, buf);

	if (is_ext(m, op) && ours && !theirs)
		return "existence of VEX, XOP and EVEX encodings is the processor's business";
	if (zydis_modes[m] == 64 && is_knc(op))
		return "a coprocessor that no kernel runs on";
	if (op[0] == 0x0f && (op[1] == 0xa6 || op[1] == 0xa7) && !ours)
		return "VIA PadLock";
	if (has_lock(buf, op) && ours && !theirs)
		return "LOCK is judged when the instruction is executed";
	return NULL;
}

static void show(unsigned int m, const u8 *buf, int ours, int theirs,
		 const ZydisDecodedInstruction *zi)
{
	unsigned int i;

	printf("# %u-bit:", zydis_modes[m]);
	for (i = 0; i < UMBRA_INSN_MAX; i++)
		printf(" %02x", buf[i]);
	printf("  ours %d, Zydis %d %s\n", ours, theirs,
	       theirs ? ZydisMnemonicGetString(zi->mnemonic) : "");
}

/* Are the parts of a valid instruction where Zydis finds them? */
static bool same_shape(const u8 *buf, const ZydisDecodedInstruction *zi)
{
	bool modrm = zi->attributes & ZYDIS_ATTRIB_HAS_MODRM;
	struct umbra_insn in;

	if (umbra_insn_decode(&in, buf, UMBRA_INSN_MAX) || in.len != zi->length)
		return false;
	if (!modrm || !in.has_modrm)
		return !in.rip_relative;
	if (in.modrm_off != zi->raw.modrm.offset)
		return false;
	/* MOV CR and DR: the mod field is ignored */
	if (in.mod == 3)
		return true;
	return in.disp_off == zi->raw.disp.offset &&
	       in.disp_len * 8 == zi->raw.disp.size &&
	       in.rip_relative == (zi->raw.modrm.mod == 0 && zi->raw.modrm.rm == 5);
}

void zydis_compare(unsigned int m, const u8 *buf, struct zydis_tally *t)
{
	ZydisDecodedInstruction zi;
	int ours, theirs;

	ours = umbra_emul_insn_len(buf, UMBRA_INSN_MAX, zydis_modes[m]);
	if (ours < 0)
		ours = 0;
	theirs = zydis_len(m, buf, &zi);
	t->strings++;
	t->valid += theirs != 0;
	if (ours == theirs) {
		if (zydis_modes[m] == 64 && ours && !same_shape(buf, &zi) && t->wrong++ < SHOWN)
			show(m, buf, ours, theirs, &zi);
		return;
	}
	if (differs(m, buf, ours, theirs)) {
		t->excused++;
		return;
	}
	if (t->wrong++ < SHOWN)
		show(m, buf, ours, theirs, &zi);
}
