// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: fuzz_decode
 *
 * libFuzzer on the decoder.  The first byte of the input chooses the mode, the others are
 * code.  Zydis is the judge of length and existence, and a buffer that ends early
 * asks for more, never reads beyond its end and never changes its mind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test_decode_zydis.h"
#include "umbra/decode.h"
#include "umbra/emul.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool good)
{
	if (!good)
		abort();
}

/* From a buffer of exactly that many bytes, so that the sanitizer sees what is read. */
static int length_of(const u8 *code, unsigned int len, unsigned int mode)
{
	u8 *copy = malloc(len);
	int ret;

	memcpy(copy, code, len);
	ret = umbra_emul_insn_len(copy, len, mode);
	free(copy);
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_set_up;
	struct zydis_tally tally = { 0 };
	u8 code[UMBRA_INSN_MAX] = { 0 };
	unsigned int m, mode, len;
	struct umbra_insn insn;
	int full;

	if (!size)
		return 0;
	if (!is_set_up)
		zydis_setup();
	is_set_up = true;
	memcpy(code, data + 1, size - 1 < sizeof(code) ? size - 1 : sizeof(code));
	m = data[0] % 3;
	zydis_compare(m, code, &tally);
	demand(!tally.wrong);
	mode = zydis_modes[m] | (data[0] & 0x80 ? UMBRA_EMUL_MODE_AMD : 0);
	full = length_of(code, UMBRA_INSN_MAX, mode);
	demand(full == -EINVAL || (full > 0 && full <= UMBRA_INSN_MAX) || full == -ENODATA);
	for (len = 1; len < UMBRA_INSN_MAX; len++) {
		int part = length_of(code, len, mode);

		demand(full <= 0 || part == ((int)len < full ? -ENODATA : full));
		demand(full > 0 || part <= 0);
	}
	umbra_insn_decode(&insn, code, UMBRA_INSN_MAX);
	return 0;
}
