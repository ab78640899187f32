// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: decoder against Zydis
 *
 * umbra_emul_insn_len() and Zydis, an independent decoder, look at the same byte
 * strings and must agree on the length and on whether the encoding exists.  The
 * strings are pseudo-random, and structured: prefixes, every opcode of every
 * map, every ModRM, so that rare corners come up in every run.
 *
 * Where the two may differ is listed in differs(), with the reason.  In 64-bit mode
 * umbra_insn_decode() has to find ModRM and displacement in the same places.
 *
 *   test_decode [STRINGS [SEED]]
 */
#include <Zydis/Zydis.h>

#include "ktap.h"
#include "umbra/decode.h"
#include "umbra/emul.h"

#define SHOWN	20

static ZydisDecoder decoders[3];
static const unsigned int modes[3] = { 16, 32, 64 };

static u64 rng_state;

static u64 rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state;
}

struct tally {
	unsigned long strings, valid, excused, wrong;
};

static void setup(void)
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
			if (modes[m] == 64)
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
		return modes[m] == 64 || op[1] >= 0xc0;
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
	if (modes[m] == 64 && is_knc(op))
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

	printf("# %u-bit:", modes[m]);
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

static void compare(unsigned int m, const u8 *buf, struct tally *t)
{
	ZydisDecodedInstruction zi;
	int ours, theirs;

	ours = umbra_emul_insn_len(buf, UMBRA_INSN_MAX, modes[m]);
	if (ours < 0)
		ours = 0;
	theirs = zydis_len(m, buf, &zi);
	t->strings++;
	t->valid += theirs != 0;
	if (ours == theirs) {
		if (modes[m] == 64 && ours && !same_shape(buf, &zi) && t->wrong++ < SHOWN)
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

static void fill(u8 *buf)
{
	u64 a = rng(), b = rng();

	memcpy(buf, &a, 8);
	memcpy(buf + 8, &b, 8);
}

static void random_strings(unsigned int m, unsigned long n, struct tally *t)
{
	u8 buf[16];

	while (n--) {
		fill(buf);
		compare(m, buf, t);
	}
}

static unsigned int some_prefixes(u8 *buf)
{
	static const u8 pfx[] = {
		0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64,
		0x65, 0x48, 0x41, 0x44, 0x4f, 0x40,
	};
	unsigned int i, n = rng() % 4;

	if (rng() % 64 == 0)
		n = rng() % 14;
	for (i = 0; i < n; i++)
		buf[i] = pfx[rng() % ARRAY_SIZE(pfx)];
	return n;
}

/*
 * Each opcode of the map that @esc leads to, with each ModRM: plain, with each
 * mandatory prefix, then with random prefixes.
 */
static void map_strings(unsigned int m, const u8 *esc, unsigned int esc_len,
			unsigned int rounds, struct tally *t)
{
	unsigned int op, modrm, r, n;
	u8 buf[32];

	for (op = 0; op < 256; op++)
		for (modrm = 0; modrm < 256; modrm++)
			for (r = 0; r < rounds; r++) {
				fill(buf);
				fill(buf + 16);
				n = 1;
				buf[0] = "\x66\xf3\xf2"[r % 3];
				if (r == 0)
					n = 0;
				else if (r > 3)
					n = some_prefixes(buf);
				memcpy(buf + n, esc, esc_len);
				buf[n + esc_len] = op;
				buf[n + esc_len + 1] = modrm;
				compare(m, buf, t);
			}
}

/* VEX, XOP and EVEX with plausible fields. */
static void ext_strings(unsigned int m, unsigned long n, struct tally *t)
{
	static const u8 lead[] = { 0xc4, 0xc5, 0x62, 0x8f };
	u8 buf[16];

	while (n--) {
		fill(buf);
		buf[0] = lead[rng() % 4];
		if (modes[m] != 64 && buf[0] != 0x8f)
			buf[1] |= 0xc0;
		if (buf[0] == 0xc4)
			buf[1] = (buf[1] & 0xe0) | (1 + rng() % 3);
		if (buf[0] == 0x8f)
			buf[1] = (buf[1] & 0xe0) | (8 + rng() % 3);
		if (buf[0] == 0x62)
			buf[1] = (buf[1] & 0xf0) | (1 + rng() % 6);
		compare(m, buf, t);
	}
}

/* A buffer that ends early asks for more, and never for more than needed. */
static unsigned long short_strings(unsigned int m, unsigned long n)
{
	unsigned long wrong = 0;
	u8 buf[16];
	int full, part, len;

	while (n--) {
		fill(buf);
		full = umbra_emul_insn_len(buf, UMBRA_INSN_MAX, modes[m]);
		for (len = 1; len < UMBRA_INSN_MAX; len++) {
			part = umbra_emul_insn_len(buf, len, modes[m]);
			if (full > 0 && part != (len < full ? -ENODATA : full))
				wrong++;
			if (full < 0 && part > 0)
				wrong++;
		}
	}
	return wrong;
}

static void report(const struct tally *t, unsigned int mode, const char *what)
{
	ktap_ok(!t->wrong, "%u-bit %s: %lu strings, %lu valid, %lu excused, %lu wrong",
		mode, what, t->strings, t->valid, t->excused, t->wrong);
}

static void run_mode(unsigned int m, unsigned long n)
{
	static const u8 esc[4][2] = { { 0 }, { 0x0f }, { 0x0f, 0x38 },
				      { 0x0f, 0x3a } };
	static const u8 esc_len[4] = { 0, 1, 2, 2 };
	struct tally a = { 0 }, b = { 0 }, c = { 0 };
	unsigned int i, rounds = 5 + n / 800000;
	unsigned long wrong;

	random_strings(m, n, &a);
	report(&a, modes[m], "random");
	for (i = 0; i < 4; i++)
		map_strings(m, esc[i], esc_len[i], rounds, &b);
	report(&b, modes[m], "opcode maps");
	ext_strings(m, n / 2, &c);
	report(&c, modes[m], "VEX, XOP, EVEX");
	wrong = short_strings(m, n / 10);
	ktap_ok(!wrong, "%u-bit short buffers: %lu wrong", modes[m], wrong);
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 0) : 800000;
	unsigned int m;

	rng_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull;
	setup();
	ktap_plan(12);
	for (m = 0; m < 3; m++)
		run_mode(m, n);
	ktap_exit();
}
