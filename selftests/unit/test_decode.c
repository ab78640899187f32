// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: decoder against Zydis
 *
 * The decoder and Zydis (test_decode_zydis.h) must agree on the length and on
 * whether the encoding exists.  The strings are pseudo-random, and structured: prefixes,
 * every opcode of every map, every ModRM, so that rare corners come up in every run.
 *
 *   test_decode [STRINGS [SEED]]
 */
#include "ktap.h"
#include "test_decode_zydis.h"
#include "umbra/decode.h"
#include "umbra/emul.h"
#include "xorshift.h"

static u64 rng_state;

static u64 rng(void)
{
	rng_state = xorshift(rng_state);
	return rng_state;
}

static void fill(u8 *buf)
{
	u64 a = rng(), b = rng();

	memcpy(buf, &a, 8);
	memcpy(buf + 8, &b, 8);
}

static void random_strings(unsigned int m, unsigned long n, struct zydis_tally *t)
{
	u8 buf[16];

	while (n--) {
		fill(buf);
		zydis_compare(m, buf, t);
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
			unsigned int rounds, struct zydis_tally *t)
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
				zydis_compare(m, buf, t);
			}
}

/* VEX, XOP and EVEX with plausible fields. */
static void ext_strings(unsigned int m, unsigned long n, struct zydis_tally *t)
{
	static const u8 lead[] = { 0xc4, 0xc5, 0x62, 0x8f };
	u8 buf[16];

	while (n--) {
		fill(buf);
		buf[0] = lead[rng() % 4];
		if (zydis_modes[m] != 64 && buf[0] != 0x8f)
			buf[1] |= 0xc0;
		if (buf[0] == 0xc4)
			buf[1] = (buf[1] & 0xe0) | (1 + rng() % 3);
		if (buf[0] == 0x8f)
			buf[1] = (buf[1] & 0xe0) | (8 + rng() % 3);
		if (buf[0] == 0x62)
			buf[1] = (buf[1] & 0xf0) | (1 + rng() % 6);
		zydis_compare(m, buf, t);
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
		full = umbra_emul_insn_len(buf, UMBRA_INSN_MAX, zydis_modes[m]);
		for (len = 1; len < UMBRA_INSN_MAX; len++) {
			part = umbra_emul_insn_len(buf, len, zydis_modes[m]);
			if (full > 0 && part != (len < full ? -ENODATA : full))
				wrong++;
			if (full < 0 && part > 0)
				wrong++;
		}
	}
	return wrong;
}

/*
 * What the translator sees of an instruction is found in two ways: one for what is plain, when
 * enough bytes are there that it cannot run out of them, and one for all.
 */
static bool same(const struct umbra_insn *a, const struct umbra_insn *b)
{
	/* The first bytes have no holes between them. */
	return !memcmp(a, b, offsetof(struct umbra_insn, disp_len) + 1) && a->disp == b->disp &&
	       a->imm == b->imm && a->rip_relative == b->rip_relative &&
	       a->undefined == b->undefined && a->privileged == b->privileged;
}

static unsigned long shapes(const u8 *esc, unsigned int esc_len, unsigned long *plain)
{
	struct umbra_insn quick, slow;
	unsigned int op, modrm, r, n;
	unsigned long wrong = 0;
	u8 buf[32];
	int ret;

	for (op = 0; op < 256; op++)
		for (modrm = 0; modrm < 256; modrm++)
			for (r = 0; r < 24; r++) {
				fill(buf);
				fill(buf + 16);
				n = r ? some_prefixes(buf) : 0;
				memcpy(buf + n, esc, esc_len);
				buf[n + esc_len] = op;
				buf[n + esc_len + 1] = modrm;
				ret = umbra_insn_decode(&slow, buf, UMBRA_INSN_MAX - 1);
				if (ret == -ENODATA || ret == -E2BIG)
					continue;
				if (umbra_insn_decode(&quick, buf, UMBRA_INSN_MAX) != ret)
					wrong++;
				else if (!ret && !same(&quick, &slow))
					wrong++;
				*plain += !ret;
			}
	return wrong;
}

static void run_shapes(void)
{
	unsigned long wrong, n = 0;

	wrong = shapes((const u8 *)"", 0, &n);
	ktap_ok(!wrong, "shapes, one-byte map: %lu of %lu differ", wrong, n);
	n = 0;
	wrong = shapes((const u8 *)"\x0f", 1, &n);
	ktap_ok(!wrong, "shapes, 0F map: %lu of %lu differ", wrong, n);
}

static void report(const struct zydis_tally *t, unsigned int mode, const char *what)
{
	ktap_ok(!t->wrong, "%u-bit %s: %lu strings, %lu valid, %lu excused, %lu wrong",
		mode, what, t->strings, t->valid, t->excused, t->wrong);
}

static void run_mode(unsigned int m, unsigned long n)
{
	static const u8 esc[4][2] = { { 0 }, { 0x0f }, { 0x0f, 0x38 },
				      { 0x0f, 0x3a } };
	static const u8 esc_len[4] = { 0, 1, 2, 2 };
	struct zydis_tally a = { 0 }, b = { 0 }, c = { 0 };
	unsigned int i, rounds = 5 + n / 800000;
	unsigned long wrong;

	random_strings(m, n, &a);
	report(&a, zydis_modes[m], "random");
	for (i = 0; i < 4; i++)
		map_strings(m, esc[i], esc_len[i], rounds, &b);
	report(&b, zydis_modes[m], "opcode maps");
	ext_strings(m, n / 2, &c);
	report(&c, zydis_modes[m], "VEX, XOP, EVEX");
	wrong = short_strings(m, n / 10);
	ktap_ok(!wrong, "%u-bit short buffers: %lu wrong", zydis_modes[m], wrong);
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 0) : 800000;
	unsigned int m;

	rng_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull;
	zydis_setup();
	ktap_plan(14);
	for (m = 0; m < 3; m++)
		run_mode(m, n);
	run_shapes();
	ktap_exit();
}
