// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator: what it knows at a glance, against the decoder
 *
 * Every opcode with every ModRM and with the prefixes that matter: what is known is a plain copy of
 * the same length, for the decoder as well.
 */
#include "ktap.h"
#include "test_translate_env.h"
#include "translate_internal.h"

static unsigned int wrong, known;

static void show(const u8 *code, unsigned int len, const struct umbra_insn *in, int ret)
{
	char text[64] = "";
	unsigned int i;

	for (i = 0; i < 15; i++)
		snprintf(text + 3 * i, 4, " %02x", code[i]);
	if (wrong++ < 10)
		ktap_note("%u bytes of%s: decoder %d, %u bytes", len, text, ret, in->len);
}

static void compare(const u8 *code)
{
	enum tc_r11 r11 = TC_R11_NOT;
	unsigned int len = tc_quick_copy(code, &r11);
	struct umbra_insn in;
	u8 op, action;
	int ret;

	if (!len)
		return;
	known++;
	ret = umbra_insn_decode(&in, code, 15);
	action = ret ? TC_CALLOUT : tc_classify(tc, &in, &op);
	/* LEA of what is not relative to RIP is a copy, too. */
	if (ret || in.len != len || (action != TC_COPY && action != TC_LEA) || in.rip_relative ||
	    (!r11 && tc_uses_r11(&in, code)))
		show(code, len, &in, ret);
}

/* Opcode, ModRM, and SIB after @n bytes of prefixes. */
static void all_forms(const u8 *prefix, unsigned int n)
{
	static const u8 sibs[] = { 0x00, 0x05, 0x25, 0x24, 0xed, 0xff };
	u8 code[32];
	unsigned int op, modrm, i;

	for (op = 0; op < 512; op++)
		for (modrm = 0; modrm < 256; modrm++)
			for (i = 0; i < sizeof(sibs); i++) {
				u8 *at = code + n;

				memset(code, 0x90, sizeof(code));
				memcpy(code, prefix, n);
				if (op >= 256)
					*at++ = 0x0f;
				*at++ = op;
				*at++ = modrm;
				*at++ = sibs[i];
				compare(code);
			}
}

static bool forms(void)
{
	static const u8 prefixes[] = { 0x65, 0x66, 0x67, 0x64, 0x2e, 0x3e, 0xf0, 0xf2, 0xf3,
				       0x40, 0x41, 0x44, 0x48, 0x4f };
	unsigned int i, j;

	all_forms((u8 []){ 0 }, 0);
	for (i = 0; i < sizeof(prefixes); i++) {
		all_forms(&prefixes[i], 1);
		for (j = 0; j < sizeof(prefixes); j++)
			all_forms((u8 []){ prefixes[i], prefixes[j] }, 2);
	}
	all_forms((u8 []){ 0x65, 0x66, 0x48 }, 3);
	all_forms((u8 []){ 0x65, 0x66, 0x41 }, 3);
	ktap_note("%u known forms", known);
	return !wrong && known > 1000000;
}

/* Of compiled code, the most; that is what it is for. */
static bool enough(void)
{
	const u8 *at = (const u8 *)umbra_insn_decode, *end = at + 2048;
	unsigned int all = 0, quick = 0;
	enum tc_r11 r11;
	struct umbra_insn in;

	while (at < end) {
		if (umbra_insn_decode(&in, at, 15))
			break;
		all++;
		quick += tc_quick_copy(at, &r11) != 0;
		at += in.len;
	}
	ktap_note("%u of %u instructions", quick, all);
	return all > 100 && quick * 2 > all;
}

int main(void)
{
	env_init(HOLE_TC_SIZE);
	ktap_plan(2);
	ktap_ok(forms(), "what is known is what the decoder says");
	ktap_ok(enough(), "most of compiled code is known");
	ktap_exit();
}
